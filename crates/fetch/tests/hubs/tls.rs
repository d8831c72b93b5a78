//! A hub behind TLS: whom the system does not trust is not talked to.
//!
//! `certificate.pem` is of `localhost`, signed by itself and valid for a hundred years, `key.pem` its key; both are of these tests alone:
//! `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 36500 -subj /CN=localhost -addext subjectAltName=DNS:localhost
//! -addext basicConstraints=critical,CA:FALSE -keyout key.pem -out certificate.pem`.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::thread;

use engraft_fetch::{Hubs, Kind, Settings, Wish};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::said;

/// Says to a process of this test where the hub is.
const HUB: &str = "ENGRAFT_TEST_HUB";

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/hubs")
        .join(name)
}

/// A hub that answers one question over TLS with 404; gives its address.
fn serve() -> String {
    let certificate = CertificateDer::from_pem_file(file("certificate.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(file("key.pem")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!(
        "https://localhost:{}",
        listener.local_addr().unwrap().port()
    );
    let config = Arc::new(config);
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = StreamOwned::new(connection, stream);
            let mut lines = BufReader::new(&mut stream).lines();
            // A client that does not trust this says no word.
            if lines
                .by_ref()
                .map_while(Result::ok)
                .any(|line| line.is_empty())
            {
                drop(lines);
                let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\nX-Error-Code: RepoNotFound\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}");
                let _ = stream.flush();
            }
        }
    });
    address
}

/// What comes of asking a hub, in a process that trusts the certificates of a file: which these are is of the environment of a process.
fn asked_by_process(trusts: Option<&Path>) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "tls::a_process_asks", "--nocapture"])
        .env(HUB, serve());
    match trusts {
        Some(path) => command.env("SSL_CERT_FILE", path),
        None => command.env_remove("SSL_CERT_FILE"),
    };
    let output = command.output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_hub_is_talked_to_only_if_its_certificate_is_trusted() {
    let refused = asked_by_process(None);
    assert!(
        refused.contains("cannot be reached: invalid peer certificate"),
        "{refused}"
    );
    assert!(refused.contains("SSL_CERT_FILE"), "{refused}");
    let answered = asked_by_process(Some(&file("certificate.pem")));
    assert!(answered.contains("has no model org/name"), "{answered}");
}

/// What a process does that has a hub in its environment; nothing in any other.
#[test]
fn a_process_asks() {
    let Ok(hub) = std::env::var(HUB) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings::from_variables(|name| match name {
        "HF_ENDPOINT" => Some(hub.clone().into()),
        "HF_HOME" => Some(folder.path().into()),
        _ => None,
    });
    let hubs = Box::leak(Box::new(Hubs::new(settings)));
    println!(
        "{}",
        said(hubs.repository(Kind::Model, "org/name", None, Wish::AsCached))
    );
}
