//! Two listeners, a thread for each connection, and their end.

use std::collections::HashMap;
use std::io::{self, BufReader, ErrorKind};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use crate::answer::Answer;
use crate::delivery::Outlet;
use crate::fault::{Fault, What};
use crate::http::Incoming;
use crate::request::{Logged, Origin, Progress};
use crate::shelf::Shelf;
use crate::{hugging_face, kaggle, lock, store};

/// What all threads share.
pub(crate) struct Shared {
    pub(crate) shelf: Shelf,
    pub(crate) faults: Mutex<Vec<Fault>>,
    pub(crate) log: Mutex<Vec<Logged>>,
    stopping: AtomicBool,
    connections: Mutex<Connections>,
}

#[derive(Default)]
struct Connections {
    count: u64,
    open: HashMap<u64, TcpStream>,
    threads: Vec<JoinHandle<()>>,
}

/// The running servers; they stop when this is dropped.
pub(crate) struct Server {
    pub(crate) shared: Arc<Shared>,
    addresses: [SocketAddr; 2],
    listeners: Vec<JoinHandle<()>>,
}

impl Server {
    pub(crate) fn start(port: u16) -> io::Result<Server> {
        let hub = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        let store = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let addresses = [hub.local_addr()?, store.local_addr()?];
        let shared = Arc::new(Shared {
            shelf: Shelf::new(addresses[0].port(), addresses[1].port()),
            faults: Mutex::default(),
            log: Mutex::default(),
            stopping: AtomicBool::new(false),
            connections: Mutex::default(),
        });
        let listen = |listener: TcpListener, origin: Origin| {
            let shared = shared.clone();
            thread::spawn(move || listen(&shared, &listener, origin))
        };
        let listeners = vec![listen(hub, Origin::Hub), listen(store, Origin::Store)];
        Ok(Server {
            shared,
            addresses,
            listeners,
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        // A connection wakes each listener; without one it would wait for ever, so a failure here leaves its thread alone.
        let woken = self
            .addresses
            .map(|address| TcpStream::connect(address).is_ok());
        for (listener, woken) in self.listeners.drain(..).zip(woken) {
            if woken {
                let _ = listener.join();
            }
        }
        let threads = {
            let mut connections = lock(&self.shared.connections);
            connections
                .open
                .values()
                .for_each(|stream| drop(stream.shutdown(Shutdown::Both)));
            std::mem::take(&mut connections.threads)
        };
        threads.into_iter().for_each(|thread| drop(thread.join()));
    }
}

fn listen(shared: &Arc<Shared>, listener: &TcpListener, origin: Origin) {
    for stream in listener.incoming() {
        if shared.stopping.load(Ordering::SeqCst) {
            return;
        }
        if let Ok(stream) = stream {
            // A connection that cannot be set up is closed; the peer sees that.
            let _ = open(shared, stream, origin);
        }
    }
}

fn open(shared: &Arc<Shared>, stream: TcpStream, origin: Origin) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut connections = lock(&shared.connections);
    connections.count += 1;
    let number = connections.count;
    connections.open.insert(number, stream.try_clone()?);
    connections.threads.retain(|thread| !thread.is_finished());
    let shared = shared.clone();
    connections.threads.push(thread::spawn(move || {
        // The peer may leave at any moment: an error ends the connection and is nobody's concern.
        let _ = converse(&shared, &stream, origin);
        let _ = stream.shutdown(Shutdown::Both);
        lock(&shared.connections).open.remove(&number);
    }));
    Ok(())
}

/// Answers the requests of a connection until one side closes it.
fn converse(shared: &Shared, stream: &TcpStream, origin: Origin) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    loop {
        match Incoming::read(&mut reader) {
            Ok(None) => return Ok(()),
            Ok(Some(incoming)) => {
                if !serve(shared, stream, origin, &incoming)? {
                    return Ok(());
                }
            }
            Err(error) if error.kind() == ErrorKind::InvalidData => {
                let progress = Progress::default();
                let outlet = Outlet {
                    stream,
                    progress: &progress,
                    stopping: &shared.stopping,
                    head_only: false,
                    persistent: false,
                };
                return outlet
                    .send(Answer::text(400, &error.to_string()), None)
                    .map(drop);
            }
            Err(error) => return Err(error),
        }
    }
}

/// Answers one request; whether the connection stays open.
fn serve(
    shared: &Shared,
    stream: &TcpStream,
    origin: Origin,
    incoming: &Incoming,
) -> io::Result<bool> {
    let logged = Logged::new(origin, incoming);
    let progress = logged.progress();
    lock(&shared.log).push(logged);
    let mut answer = route(&shared.shelf, origin, incoming);
    let what = take_fault(shared, origin, incoming, &answer);
    if matches!(what, Some(What::NoRanges)) {
        answer = route(&shared.shelf, origin, &incoming.without_range());
    }
    let outlet = Outlet {
        stream,
        progress: &progress,
        stopping: &shared.stopping,
        head_only: incoming.method == "HEAD",
        persistent: incoming.persistent,
    };
    outlet.send(answer, what.as_ref())
}

fn route(shelf: &Shelf, origin: Origin, incoming: &Incoming) -> Answer {
    match origin {
        Origin::Store => store::answer(shelf, incoming),
        Origin::Hub => kaggle::answer(shelf, incoming)
            .or_else(|| hugging_face::answer(shelf, incoming))
            .unwrap_or_else(|| Answer::error(404, None, "Not found")),
    }
}

/// The first fault that matches, counted down.
fn take_fault(
    shared: &Shared,
    origin: Origin,
    incoming: &Incoming,
    answer: &Answer,
) -> Option<What> {
    let mut faults = lock(&shared.faults);
    let fault = faults
        .iter_mut()
        .find(|fault| fault.matches(origin, incoming, answer))?;
    fault.times = fault.times.map(|times| times - 1);
    Some(fault.what.clone())
}
