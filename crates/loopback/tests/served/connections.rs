//! Connections: kept, closed, counted.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use engraft_loopback::{Content, Hub, Origin, Repository};

use crate::client::{Client, follow};

#[test]
fn a_connection_serves_many_requests_and_closes_when_asked() {
    let hub = Hub::start().unwrap();
    hub.add(Repository::model("org/name").file("config.json", b"{}"));
    let mut client = Client::to(&hub.url());
    for _ in 0..3 {
        assert_eq!(client.get("/org/name/resolve/main/config.json").body, b"{}");
        assert_eq!(
            client
                .ask("HEAD", "/org/name/resolve/main/config.json", &[], "")
                .unwrap()
                .header("Content-Length"),
            "2"
        );
        assert_eq!(client.get("/org/name/resolve/main/absent").status, 404);
    }
    let last = client.get_with("/org/name/resolve/main/config.json", "Connection", "close");
    assert_eq!((last.status, last.header("Connection")), (200, "close"));
    assert_eq!(client.stream().read(&mut [0]).unwrap(), 0);
}

#[test]
fn requests_are_seen_in_order_with_what_was_sent() {
    let hub = Hub::start().unwrap();
    hub.add(Repository::model("org/name").large(
        "w.bin",
        Content::Generated {
            seed: 3,
            size: 1 << 20,
        },
    ));
    let mut client = Client::to(&hub.url());
    let reply = client.ask(
        "GET",
        "/org/name/resolve/main/w.bin",
        &[("Authorization", "Bearer t"), ("User-Agent", "test")],
        "",
    );
    let whole = follow(&reply.unwrap());
    assert_eq!(
        whole.body,
        Content::Generated {
            seed: 3,
            size: 1 << 20
        }
        .to_vec()
    );
    let seen = hub.seen();
    assert_eq!(
        (
            seen[0].origin,
            seen[0].status,
            seen[0].authorization.as_deref()
        ),
        (Origin::Hub, 302, Some("Bearer t"))
    );
    assert_eq!(
        (seen[0].header("user-agent"), seen[0].target.as_str()),
        (Some("test"), "/org/name/resolve/main/w.bin")
    );
    assert_eq!(
        (seen[1].origin, seen[1].status, seen[1].sent),
        (Origin::Store, 200, 1 << 20)
    );
    assert!(hub.store_url().ends_with(&seen[1].host));
    hub.forget();
    assert!(hub.seen().is_empty());
}

#[test]
fn dropping_the_hub_ends_open_connections() {
    let hub = Hub::start().unwrap();
    let (url, mut idle) = (hub.url(), Client::to(&hub.url()));
    assert_eq!(idle.get("/nothing").status, 404);
    let began = Instant::now();
    drop(hub);
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!(idle.stream().read(&mut [0]).unwrap_or(0), 0);
    assert!(std::net::TcpStream::connect(&url["http://".len()..]).is_err());
}

#[test]
fn what_is_no_request_is_refused() {
    let hub = Hub::start().unwrap();
    let mut client = Client::to(&hub.url());
    client
        .stream()
        .get_mut()
        .write_all(b"nonsense\r\n\r\n")
        .unwrap();
    assert_eq!(client.head().unwrap().status, 400);
}
