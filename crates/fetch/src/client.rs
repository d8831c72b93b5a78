//! Questions and answers over HTTP: what is sent to whom, redirects, and when to try again.
//!
//! Redirects are followed here and not by the library, since each step has headers of its own, and since what opens a hub goes to no other.

use std::io;
use std::sync::{Arc, OnceLock};
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;
use ureq::http::{HeaderMap, Response, header};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Body, Proxy};

use crate::credential::Credential;
use crate::error::Refusal;
use crate::watch::report;
use crate::{Error, Result};

/// Steps of a redirect that are followed.
const STEPS: usize = 8;

/// How often a question is asked again that fails by no fault of its own.
pub(crate) const TRIES: u32 = 4;

/// The longest that is waited because a hub asks for it.
const PATIENCE: Duration = Duration::from_secs(60);

/// The most bytes of an answer that is no file.
const ANSWER: u64 = 64 << 20;

/// What the program calls itself.
const NAME: &str = concat!("engraft/", env!("CARGO_PKG_VERSION"));

/// A client, of which a process has one.
#[derive(Debug)]
pub(crate) struct Client {
    /// For hosts that are asked in the clear, and for those that are not.
    agents: [OnceLock<Agent>; 2],
    /// What is waited before the first new try; later ones wait twice as long each.
    pause: Duration,
    /// How long an answer may say nothing.
    patience: Duration,
}

/// A question.
#[derive(Clone, Debug)]
pub(crate) struct Call<'a> {
    /// What is asked for, as a user names it, for messages.
    pub(crate) name: &'a str,
    /// A host and a path, with its scheme.
    pub(crate) url: String,
    pub(crate) credential: Option<&'a Credential>,
    /// The first byte that is wanted, where not all are.
    pub(crate) from: Option<u64>,
    /// What is sent along, which makes it a POST.
    pub(crate) json: Option<Value>,
}

/// An answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The headers of the last step.
    pub(crate) headers: HeaderMap,
    /// The headers of the first step, which are the hub's own; the same where there was no other.
    pub(crate) first: HeaderMap,
    /// Who gave it.
    pub(crate) host: String,
    pub(crate) body: Body,
}

impl Client {
    /// A client whose first pause before a new try is so long, and which waits so long for an answer that says nothing.
    pub(crate) fn new(pause: Duration, patience: Duration) -> Self {
        Self {
            agents: Default::default(),
            pause,
            patience,
        }
    }

    /// Asks once, following redirects.
    ///
    /// # Errors
    ///
    /// Nobody answers, or an answer leads nowhere. An answer with an error status is returned, not an error.
    pub(crate) fn ask(&self, call: &Call<'_>) -> Result<Answer, Failed> {
        let mut url = call.url.clone();
        let mut json = call.json.as_ref();
        let mut first = None;
        for _ in 0..=STEPS {
            let answer = self.step(call, &url, json)?;
            let status = answer.status().as_u16();
            let host = origin(&url).to_owned();
            let (parts, body) = answer.into_parts();
            let to = parts.headers.get(header::LOCATION);
            let to = to.filter(|_| matches!(status, 301 | 302 | 303 | 307 | 308));
            let Some(to) = to else {
                return Ok(Answer {
                    status,
                    first: first.unwrap_or_else(|| parts.headers.clone()),
                    headers: parts.headers,
                    host,
                    body,
                });
            };
            let to = to.to_str().ok().and_then(|to| joined(&url, to));
            let Some(to) = to else {
                return Err(call.senseless(&host, "a redirect that leads nowhere"));
            };
            if url.starts_with("https://") && !to.starts_with("https://") {
                return Err(call.senseless(&host, "a redirect away from encryption"));
            }
            if status <= 303 {
                json = None;
            }
            first.get_or_insert(parts.headers);
            url = to;
        }
        Err(call.senseless(origin(&url), "redirects without end"))
    }

    fn step(
        &self,
        call: &Call<'_>,
        url: &str,
        json: Option<&Value>,
    ) -> Result<Response<Body>, Failed> {
        let agent = self.agent(url);
        let mut headers = vec![(header::ACCEPT_ENCODING, "identity".to_owned())];
        if let Some(credential) = call.credential
            && origin(url) == origin(&call.url)
        {
            headers.push((header::AUTHORIZATION, credential.header().to_owned()));
        }
        if let Some(from) = call.from {
            headers.push((header::RANGE, format!("bytes={from}-")));
        }
        let answer = match json {
            Some(json) => {
                let mut request = agent.post(url).content_type("application/json");
                for (name, value) in headers {
                    request = request.header(name, value);
                }
                request.send(json.to_string())
            }
            None => {
                let mut request = agent.get(url);
                for (name, value) in headers {
                    request = request.header(name, value);
                }
                request.call()
            }
        };
        answer.map_err(|error| call.unreachable(origin(url), &error).through(agent, url))
    }

    fn agent(&self, url: &str) -> &Agent {
        // A process that asks no host over TLS has no use for certificates, which take a while to read.
        let encrypted = url.starts_with("https://");
        self.agents[usize::from(encrypted)].get_or_init(|| agent(encrypted, self.patience))
    }

    /// Asks, and again where that may help, for an answer that is a success.
    ///
    /// # Errors
    ///
    /// Nobody answers, or the answer has an error status, which `explain` puts into words.
    pub(crate) fn ask_patiently(
        &self,
        call: &Call<'_>,
        explain: impl Fn(&mut Answer) -> Error,
    ) -> Result<Answer> {
        self.ask_at_most(TRIES, call, explain)
    }

    /// As [`Self::ask_patiently`], so many times.
    ///
    /// # Errors
    ///
    /// Those of [`Self::ask_patiently`].
    pub(crate) fn ask_at_most(
        &self,
        tries: u32,
        call: &Call<'_>,
        explain: impl Fn(&mut Answer) -> Error,
    ) -> Result<Answer> {
        let mut tried = TRIES - tries.clamp(1, TRIES);
        loop {
            let failed = match self.ask(call) {
                Ok(answer) if (200..300).contains(&answer.status) => return Ok(answer),
                Ok(mut answer) => Failed {
                    wait: answer.wait(call)?,
                    error: explain(&mut answer),
                },
                Err(failed) => failed,
            };
            self.wait_to_try_again(&mut tried, failed)?;
        }
    }

    /// Waits before a new try.
    ///
    /// # Errors
    ///
    /// What failed, where another try would not help or there were enough.
    pub(crate) fn wait_to_try_again(&self, tried: &mut u32, failed: Failed) -> Result<()> {
        let pause = match failed.wait {
            Wait::Never => return Err(failed.error),
            _ if *tried + 1 >= TRIES => return Err(failed.error),
            Wait::Backoff => self.pause * 2_u32.pow(*tried),
            Wait::Exactly(time) => time,
        };
        *tried += 1;
        let error = &failed.error;
        report(|watch| watch.note(&format!("{error}; trying again")));
        sleep(pause);
        Ok(())
    }
}

/// A question that failed, and whether to ask it again.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) error: Error,
    pub(crate) wait: Wait,
}

/// What comes before a new try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// There is to be none.
    Never,
    /// A pause, longer each time.
    Backoff,
    /// The time that a hub asked for.
    Exactly(Duration),
}

impl Failed {
    /// The same with the proxy that stood between, if one did.
    fn through(mut self, agent: &Agent, url: &str) -> Self {
        let proxy = agent.config().proxy();
        let address = url.parse().ok();
        let proxy = proxy.filter(|proxy| address.is_none_or(|url| !proxy.is_no_proxy(&url)));
        if let (Some(proxy), Error::Unreachable { reason, .. }) = (proxy, &mut self.error) {
            reason.push_str(&format!(
                " (by the proxy {}:{})",
                proxy.host(),
                proxy.port()
            ));
        }
        self
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self {
            error,
            wait: Wait::Never,
        }
    }
}

impl Call<'_> {
    /// An answer that makes no sense.
    pub(crate) fn senseless(&self, host: &str, what: &str) -> Failed {
        let error = Error::Refused {
            name: self.name.to_owned(),
            reason: format!(
                "{host} answered with {what}; check the address of the hub and any proxy in between"
            ),
            kind: Refusal::Senseless,
        };
        error.into()
    }

    fn unreachable(&self, host: &str, error: &ureq::Error) -> Failed {
        let (reason, wait) = match error {
            error if is_unknown_host(error) => {
                let help = "no such host is known; check the network, and HTTPS_PROXY where there is a proxy. What lies in the cache works without one (--offline)";
                (help.to_owned(), Wait::Never)
            }
            ureq::Error::Io(error) if error.kind() == io::ErrorKind::ConnectionRefused => (
                "it refuses connections; check the address and the network".to_owned(),
                Wait::Never,
            ),
            ureq::Error::ConnectionFailed => (
                "no connection could be made; check the network".to_owned(),
                Wait::Backoff,
            ),
            ureq::Error::Timeout(_) => ("it did not answer in time".to_owned(), Wait::Backoff),
            error if is_of_tls(error) => {
                let help = format!(
                    "{}; where a proxy has a certificate of its own, name it by SSL_CERT_FILE",
                    words(error)
                );
                (help, Wait::Never)
            }
            ureq::Error::ConnectProxyFailed(_) | ureq::Error::InvalidProxyUrl => {
                let help = format!("{error}; check HTTPS_PROXY and HTTP_PROXY");
                (help, Wait::Never)
            }
            ureq::Error::Http(_) | ureq::Error::BadUri(_) | ureq::Error::RequireHttpsOnly(_) => (
                "that is no address; check HF_ENDPOINT and KAGGLE_API_ENDPOINT".to_owned(),
                Wait::Never,
            ),
            error => (words(error), Wait::Backoff),
        };
        Failed {
            error: Error::Unreachable {
                name: self.name.to_owned(),
                host: host.to_owned(),
                reason,
            },
            wait,
        }
    }
}

impl Answer {
    /// A header of the last step.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// A number in a header of the last step.
    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        self.header(name)?.trim().parse().ok()
    }

    /// Whether to ask again.
    ///
    /// # Errors
    ///
    /// The hub asks for more patience than there is.
    pub(crate) fn wait(&self, call: &Call<'_>) -> Result<Wait> {
        let asked = self.number("retry-after").map(Duration::from_secs);
        match (self.status, asked) {
            (429 | 503, Some(time)) if time > PATIENCE => Err(Error::Refused {
                name: call.name.to_owned(),
                reason: format!(
                    "{} asks to come back in {} seconds; a token of your own is often let in sooner",
                    self.host,
                    time.as_secs()
                ),
                kind: Refusal::Later,
            }),
            (429 | 503, Some(time)) => Ok(Wait::Exactly(time)),
            (408 | 429, None) => Ok(Wait::Backoff),
            (500..=599, _) => Ok(Wait::Backoff),
            _ => Ok(Wait::Never),
        }
    }

    /// The JSON that it is.
    ///
    /// # Errors
    ///
    /// It is longer than an answer can be, cut, or no JSON.
    pub(crate) fn json(&mut self, call: &Call<'_>) -> Result<Value> {
        let read = self.body.with_config().limit(ANSWER).read_to_vec();
        let read = read.map_err(|error| call.unreachable(&self.host, &error).error)?;
        serde_json::from_slice(&read).map_err(|_| {
            call.senseless(&self.host, "something that is no JSON")
                .error
        })
    }

    /// What it says in words, where a refusal says something.
    pub(crate) fn words(&mut self) -> Option<String> {
        let read = self.body.with_config().limit(1 << 16).read_to_vec().ok()?;
        let json: Value = serde_json::from_slice(&read).ok()?;
        let text = json
            .get("error")
            .or_else(|| json.get("message"))?
            .as_str()?;
        Some(one_line(text))
    }
}

/// A text of others on one line, without what could write to a terminal as it likes, and no longer than a line.
pub(crate) fn one_line(text: &str) -> String {
    const MOST: usize = 200;
    let text: String = text
        .chars()
        .filter(|c| !c.is_control() || *c == '\n')
        .collect();
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").chars().take(MOST).collect()
}

/// Whether no host of this name is known, which the system says in words alone.
fn is_unknown_host(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::HostNotFound => true,
        ureq::Error::Io(error) => error.to_string().contains("failed to lookup address"),
        _ => false,
    }
}

/// A failure of a connection, without a word before it that says no more.
fn words(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Io(error) => error.to_string(),
        error => error.to_string(),
    }
}

/// Whether a failure of a connection is one of its encryption.
fn is_of_tls(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::Tls(_) | ureq::Error::Rustls(_) | ureq::Error::Pem(_) => true,
        ureq::Error::Io(error) => {
            let inner = error.get_ref();
            inner.is_some_and(|inner| inner.is::<rustls::Error>())
        }
        _ => false,
    }
}

fn agent(encrypted: bool, patience: Duration) -> Agent {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut tls = TlsConfig::builder().unversioned_rustls_crypto_provider(provider);
    if encrypted {
        let trusted = rustls_native_certs::load_native_certs().certs;
        let trusted: Vec<Certificate<'static>> = trusted
            .iter()
            .map(|certificate| Certificate::from_der(certificate).to_owned())
            .collect();
        tls = tls.root_certs(RootCerts::new_with_certs(&trusted));
    }
    let seconds = |seconds| Some(Duration::from_secs(seconds));
    Agent::config_builder()
        .proxy(proxy(encrypted))
        .tls_config(tls.build())
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .user_agent(NAME)
        .input_buffer_size(1 << 18)
        .timeout_resolve(seconds(10))
        .timeout_connect(seconds(10))
        .timeout_per_read(Some(patience))
        .timeout_per_write(Some(patience))
        // A hub may have to look for something before it answers.
        .timeout_recv_response(Some(2 * patience))
        .build()
        .new_agent()
}

/// The proxy that the environment names for hosts that are asked in the clear, or for those that are not.
fn proxy(encrypted: bool) -> Option<Proxy> {
    let variable = |name: &str| {
        let given = std::env::var(name).or_else(|_| std::env::var(name.to_uppercase()));
        given.ok().filter(|value| !value.is_empty())
    };
    let own = if encrypted {
        "https_proxy"
    } else {
        "http_proxy"
    };
    let named = Proxy::new(&variable(own).or_else(|| variable("all_proxy"))?).ok()?;
    let mut proxy = Proxy::builder(named.protocol())
        .host(named.host())
        .port(named.port());
    if let Some(user) = named.username() {
        proxy = proxy.username(user);
    }
    if let Some(password) = named.password() {
        proxy = proxy.password(password);
    }
    for without in variable("no_proxy")
        .iter()
        .flat_map(|hosts| hosts.split(','))
    {
        proxy = proxy.no_proxy(without.trim());
    }
    proxy.build().ok()
}

/// The scheme, host and port of an address.
pub(crate) fn origin(url: &str) -> &str {
    let Some(start) = url.find("://").map(|at| at + 3) else {
        return url;
    };
    let length = url[start..].find(['/', '?', '#']);
    length.map_or(url, |length| &url[..start + length])
}

/// The address that a redirect from `url` leads to; none if that is no web address.
fn joined(url: &str, to: &str) -> Option<String> {
    let is_clean = !to.is_empty() && to.chars().all(|c| c.is_ascii_graphic());
    if !is_clean {
        return None;
    }
    let lower = to.to_ascii_lowercase();
    if lower.starts_with("http://") || lower.starts_with("https://") {
        // A name and password in an address would be sent to whom it names.
        return (!origin(to).contains('@')).then(|| to.to_owned());
    }
    if lower.contains("://") && lower.find("://") < lower.find(['/', '?']) {
        return None;
    }
    if let Some(rest) = to.strip_prefix("//") {
        let (scheme, _) = url.split_once("://")?;
        return joined(url, &format!("{scheme}://{rest}"));
    }
    if to.starts_with('/') {
        return Some(format!("{}{to}", origin(url)));
    }
    let path = url.split(['?', '#']).next()?;
    let (folder, _) = path
        .rsplit_once('/')
        .filter(|_| path.len() > origin(url).len())?;
    Some(format!("{folder}/{to}"))
}

/// A path whose every step is such that it can stand in an address.
pub(crate) fn in_address(path: &str) -> String {
    let mut text = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => {
                text.push(char::from(byte));
            }
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_lead_where_they_say() {
        let from = "https://hub.example/org/name/resolve/main/a?x=1";
        for (to, leads) in [
            (
                "https://store.example/b?c=d",
                Some("https://store.example/b?c=d"),
            ),
            ("/api/b", Some("https://hub.example/api/b")),
            ("//store.example/b", Some("https://store.example/b")),
            ("b", Some("https://hub.example/org/name/resolve/main/b")),
            ("file:///etc/passwd", None),
            ("ftp://hub.example/b", None),
            ("https://user:word@store.example/b", None),
            ("", None),
            ("/a b", None),
            ("/a\r\nX: y", None),
        ] {
            assert_eq!(joined(from, to).as_deref(), leads, "{to}");
        }
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        assert_eq!(origin("http://127.0.0.1:80/a/b"), "http://127.0.0.1:80");
        assert_eq!(origin("https://hub.example"), "https://hub.example");
        assert_ne!(
            origin("https://hub.example.evil/"),
            origin("https://hub.example/")
        );
        assert_ne!(
            origin("https://hub.example:444/"),
            origin("https://hub.example/")
        );
    }

    #[test]
    fn names_are_written_so_that_an_address_can_hold_them() {
        assert_eq!(in_address("a/b c#?é.txt"), "a/b%20c%23%3F%C3%A9.txt");
    }
}
