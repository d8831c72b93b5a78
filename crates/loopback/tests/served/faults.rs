//! Each fault does what it says.

use std::io::Read;
use std::time::{Duration, Instant};

use engraft_loopback::{Fault, Hub, Origin, Repository, What};

use crate::client::{Client, Reply};

const TARGET: &str = "/org/name/resolve/main/file.txt";
const TEXT: &[u8] = b"0123456789";

fn hub(what: What) -> (Hub, Client) {
    let hub = Hub::start().unwrap();
    hub.add(
        Repository::model("org/name")
            .file("file.txt", TEXT)
            .large("large.bin", TEXT),
    );
    hub.misbehave(Fault::new("file.txt", what));
    let client = Client::to(&hub.url());
    (hub, client)
}

fn get(what: What) -> Reply {
    hub(what).1.get(TARGET)
}

#[test]
fn a_fault_concerns_what_it_names_and_as_often_as_it_says() {
    let hub = Hub::start().unwrap();
    hub.add(Repository::model("org/name").file("file.txt", TEXT));
    let status = |code| What::Status {
        code,
        headers: vec![("Retry-After".into(), "1".into())],
        body: "later".into(),
    };
    hub.misbehave(Fault::new("file", status(503)).method("GET").times(2));
    hub.misbehave(Fault::new("file", status(500)).at(Origin::Store));
    let mut client = Client::to(&hub.url());
    assert_eq!(client.ask("HEAD", TARGET, &[], "").unwrap().status, 200);
    assert_eq!(client.get("/api/models/org/name").status, 200);
    let reply = client.get(TARGET);
    assert_eq!(
        (
            reply.status,
            reply.header("Retry-After"),
            reply.body.as_slice()
        ),
        (503, "1", &b"later"[..])
    );
    assert_eq!(client.get(TARGET).status, 503);
    assert_eq!(client.get(TARGET).status, 200);
    hub.misbehave(Fault::new("", status(429)));
    assert_eq!(client.get(TARGET).status, 429);
    hub.clear_faults();
    assert_eq!(client.get(TARGET).status, 200);
    assert_eq!(
        hub.seen()
            .iter()
            .map(|request| request.status)
            .collect::<Vec<_>>(),
        [200, 200, 503, 503, 200, 429, 200]
    );
}

#[test]
fn a_cut_body_ends_early() {
    let (hub, mut client) = hub(What::Cut { after: 4 });
    let reply = client.get(TARGET);
    assert_eq!(
        (
            reply.header("Content-Length"),
            reply.body.as_slice(),
            reply.complete
        ),
        ("10", &b"0123"[..], false)
    );
    assert_eq!(hub.seen()[0].sent, 4);
}

#[test]
fn a_wrong_length_is_announced() {
    let more = get(What::Length(5));
    assert_eq!(
        (
            more.header("Content-Length"),
            more.body.as_slice(),
            more.complete
        ),
        ("15", TEXT, false)
    );
    let (_hub, mut client) = hub(What::Length(-3));
    let less = client.get(TARGET);
    assert_eq!(
        (less.header("Content-Length"), less.body.as_slice()),
        ("7", &TEXT[..7])
    );
    let mut rest = Vec::new();
    client.stream().read_to_end(&mut rest).unwrap();
    assert_eq!(rest, b"789");
}

#[test]
fn a_longer_body_has_more_bytes_than_the_file() {
    let announced = get(What::Longer {
        announced: true,
        by: 3,
    });
    assert_eq!(
        (
            announced.header("Content-Length"),
            announced.body.as_slice()
        ),
        ("13", &b"0123456789+++"[..])
    );
    let chunked = get(What::Longer {
        announced: false,
        by: 3,
    });
    assert_eq!(
        (chunked.header("Content-Length"), chunked.body.as_slice()),
        ("", &b"0123456789+++"[..])
    );
    assert!(chunked.complete);
}

#[test]
fn an_endless_body_goes_on_until_the_peer_leaves() {
    let (hub, mut client) = hub(What::Endless);
    client.send("GET", TARGET, &[], "");
    assert_eq!(
        client.head().unwrap().header("Transfer-Encoding"),
        "chunked"
    );
    let mut received = vec![0; 4 << 20];
    client.stream().read_exact(&mut received).unwrap();
    drop(client);
    drop(hub);
}

#[test]
fn a_flipped_body_differs_in_one_byte() {
    let reply = get(What::Flipped);
    assert_eq!(
        reply.body.iter().zip(TEXT).filter(|(a, b)| a != b).count(),
        1
    );
    assert_eq!(reply.body.len(), TEXT.len());
}

#[test]
fn ranges_are_ignored_or_wrong() {
    let (_hub, mut client) = hub(What::NoRanges);
    for range in ["bytes=4-5", "bytes=10-"] {
        let reply = client.get_with(TARGET, "Range", range);
        assert_eq!(
            (
                reply.status,
                reply.body.as_slice(),
                reply.header("Accept-Ranges")
            ),
            (200, TEXT, "")
        );
    }
    let (_hub, mut client) = hub(What::WrongRange);
    let reply = client.get_with(TARGET, "Range", "bytes=4-5");
    assert_eq!(
        (
            reply.status,
            reply.header("Content-Range"),
            reply.body.as_slice()
        ),
        (206, "bytes 3-4/10", &b"34"[..])
    );
    let reply = client.get_with(TARGET, "Range", "bytes=0-");
    assert_eq!(
        (reply.header("Content-Range"), reply.body.as_slice()),
        ("bytes 1-9/10", &TEXT[1..])
    );
    assert_eq!(client.get(TARGET).status, 200);
}

#[test]
fn a_redirect_leads_anywhere() {
    let reply = get(What::Redirect {
        to: "http://example.org/".into(),
        code: 307,
    });
    assert_eq!(
        (reply.status, reply.header("Location")),
        (307, "http://example.org/")
    );
}

#[test]
fn a_stalled_body_stops_and_leaves_the_connection_open() {
    let (hub, mut client) = hub(What::Stall { after: 3 });
    client.send("GET", TARGET, &[], "");
    assert_eq!(client.head().unwrap().header("Content-Length"), "10");
    let mut received = [0; 3];
    client.stream().read_exact(&mut received).unwrap();
    client
        .stream()
        .get_mut()
        .set_read_timeout(Some(Duration::from_millis(200)))
        .unwrap();
    assert!(client.stream().read(&mut [0]).is_err());
    let began = Instant::now();
    drop(hub);
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_silent_server_reads_and_says_nothing() {
    let (hub, mut client) = hub(What::Silent);
    client.send("GET", TARGET, &[], "");
    client
        .stream()
        .get_mut()
        .set_read_timeout(Some(Duration::from_millis(200)))
        .unwrap();
    assert!(client.stream().read(&mut [0]).is_err());
    assert_eq!(hub.seen()[0].status, 0);
}

#[test]
fn a_slow_body_takes_its_time() {
    let began = Instant::now();
    assert_eq!(
        get(What::Slow {
            bytes_per_second: 50
        })
        .body,
        TEXT
    );
    assert!(began.elapsed() >= Duration::from_millis(170));
}

#[test]
fn a_dropped_connection_has_no_answer_and_garbage_is_none() {
    let (hub, mut client) = hub(What::Drop);
    assert!(client.ask("GET", TARGET, &[], "").is_none());
    assert_eq!(hub.seen()[0].status, 0);
    let (_hub, mut client) = self::hub(What::Garbage);
    client.send("GET", TARGET, &[], "");
    let mut received = Vec::new();
    client.stream().read_to_end(&mut received).unwrap();
    assert!(!received.is_empty() && !received.starts_with(b"HTTP"));
}

#[test]
fn another_etag_replaces_both() {
    assert_eq!(get(What::Etag("other".into())).header("ETag"), "\"other\"");
    let (hub, mut client) = hub(What::Drop);
    hub.misbehave(Fault::new("large.bin", What::Etag("other".into())));
    let reply = client.get("/org/name/resolve/main/large.bin");
    assert_eq!(
        (
            reply.status,
            reply.header("ETag"),
            reply.header("X-Linked-Etag")
        ),
        (302, "\"other\"", "\"other\"")
    );
}
