//! One HTTP request to a service of this machine, for what is not load.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// How long an answer may take, from byte to byte.
const LIMIT: Duration = Duration::from_secs(60);

/// The answer's body to a GET, or to a POST of the JSON text `body`, as it was sent: perhaps in
/// chunks.
///
/// # Errors
/// No connection, no answer, or one that is not `200`.
pub(super) fn ask(port: u16, path: &str, body: Option<&str>) -> Result<Vec<u8>> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).context("no connection")?;
    stream.set_read_timeout(Some(LIMIT))?;
    let text = match body {
        None => format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"),
        Some(body) => format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ),
    };
    stream.write_all(text.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).context("no answer")?;
    match answer.windows(4).position(|four| four == b"\r\n\r\n") {
        Some(head) if answer.starts_with(b"HTTP/1.1 200") => Ok(answer.split_off(head + 4)),
        _ => {
            let line = answer.split(|byte| *byte == b'\r').next().unwrap_or(&[]);
            bail!("{path}: {:?}", String::from_utf8_lossy(line))
        }
    }
}
