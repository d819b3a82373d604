//! Services that are put under load: a process and where it listens.

use std::net::{TcpListener, TcpStream};
use std::process::{ChildStdin, Command};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::spawned::Spawned;
use crate::interrupt;

/// How long one may take to start.
const START_LIMIT: Duration = Duration::from_secs(20);

/// A running service; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Service {
    process: Spawned,
    /// Our own services end when their stdin does.
    _stdin: Option<ChildStdin>,
    port: u16,
    path: &'static str,
    body: Option<&'static str>,
}

impl Service {
    /// One of ours: it says "port N", then "ready PID".
    ///
    /// # Errors
    /// It does not start.
    pub(super) fn announcing(command: &mut Command, name: &str) -> Result<Self> {
        let mut process = Spawned::start(command, name)?;
        let stdin = process.take_stdin();
        let line = process.line_with("port ", START_LIMIT)?;
        let port = line.text.trim_start_matches("port ").parse();
        let port = port.with_context(|| format!("{name} says {:?}", line.text))?;
        process.line_with("ready ", START_LIMIT)?;
        Ok(Self {
            process,
            _stdin: stdin,
            port,
            path: "/",
            body: None,
        })
    }

    /// Somebody else's, told to listen on `port`: it is up when it accepts connections. `path` is
    /// what clients ask for.
    ///
    /// # Errors
    /// It does not start, or never listens.
    pub(super) fn listening(
        command: &mut Command,
        name: &str,
        port: u16,
        path: &'static str,
    ) -> Result<Self> {
        let mut process = Spawned::start(command, name)?;
        let deadline = Instant::now() + START_LIMIT;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            interrupt::check()?;
            if process.wait(Duration::from_millis(20))?.is_some() || Instant::now() > deadline {
                let said = process.heard().last().map_or("", |line| &line.text);
                bail!("{name} does not listen on port {port}: {said}");
            }
        }
        Ok(Self {
            process,
            _stdin: None,
            port,
            path,
            body: None,
        })
    }

    /// Clients send this JSON text along, by POST.
    pub(super) fn asked_with(self, body: &'static str) -> Self {
        Self {
            body: Some(body),
            ..self
        }
    }

    pub(super) fn pid(&self) -> u32 {
        self.process.pid()
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// What to ask it for.
    pub(super) fn path(&self) -> &'static str {
        self.path
    }

    /// What is sent along.
    pub(super) fn body(&self) -> Option<&'static str> {
        self.body
    }
}

/// A port of the loopback interface that nobody listens on now.
///
/// # Errors
/// There is none.
pub(super) fn free_port() -> Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("no free port")?;
    Ok(listener.local_addr()?.port())
}
