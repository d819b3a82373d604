//! Processes whose output is read while they run.

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Seconds: far more than anything here takes on a busy machine.
const PATIENCE: u64 = 60;

/// So many seconds, `TRACER_TIME_SCALE` times: emulated machines are slow.
pub(crate) fn patience(seconds: u64) -> Duration {
    Duration::from_secs(seconds.saturating_mul(time_scale()))
}

fn time_scale() -> u64 {
    let scale = std::env::var("TRACER_TIME_SCALE").ok();
    scale.and_then(|text| text.parse().ok()).unwrap_or(1)
}

/// Whether this machine is said to be slower than others.
#[must_use]
pub fn is_emulated() -> bool {
    time_scale() > 1
}

/// So many milliseconds for `-d`, `TRACER_TIME_SCALE` times: an emulated machine takes fewer
/// samples in the same time.
#[must_use]
pub fn duration(milliseconds: u64) -> String {
    format!("{}ms", milliseconds.saturating_mul(time_scale()))
}

/// So many seconds for a fixture that runs that long, `TRACER_TIME_SCALE` times: an emulated
/// machine takes longer until tracers are attached to it.
#[must_use]
pub fn lifetime(seconds: f64) -> String {
    format!("{}", seconds * time_scale() as f64)
}

/// Waits until `condition` gives something.
///
/// # Panics
/// When it never does.
pub fn until<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + patience(PATIENCE);
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[derive(Debug)]
struct Stream {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

impl Stream {
    fn of(source: Option<impl Read + Send + 'static>) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let reader = source.map(|mut source| {
            let bytes = Arc::clone(&bytes);
            std::thread::spawn(move || {
                let mut chunk = [0; 1 << 16];
                while let Ok(n @ 1..) = source.read(&mut chunk) {
                    bytes.lock().expect("no panic").extend(&chunk[..n]);
                }
            })
        });
        Self { bytes, reader }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().expect("no panic")).into_owned()
    }

    fn join(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            reader.join().expect("the reader does not panic");
        }
        self.text()
    }
}

/// A process that runs; killed if a test leaves it.
#[derive(Debug)]
pub struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Stream,
    stderr: Stream,
}

/// All that an ended process left.
#[derive(Debug)]
pub struct Finished {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Running {
    /// Starts a command with its three streams in our hands; those set before stay as they are.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start(command: &mut Command) -> Self {
        Self::spawn(
            command
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped()),
        )
    }

    /// Starts a command, leaving its streams as they are set.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn spawn(command: &mut Command) -> Self {
        let mut child = command
            .spawn()
            .unwrap_or_else(|e| panic!("cannot start {command:?}: {e}"));
        Self {
            stdin: child.stdin.take(),
            stdout: Stream::of(child.stdout.take()),
            stderr: Stream::of(child.stderr.take()),
            child,
        }
    }

    /// Starts a fixture and waits for its "ready".
    #[must_use]
    pub fn ready(command: &mut Command) -> Self {
        let running = Self::start(command);
        until("ready", || {
            running.stdout().contains("ready ").then_some(())
        });
        running
    }

    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its pid, for arguments.
    #[must_use]
    pub fn pid_text(&self) -> String {
        self.pid().to_string()
    }

    /// What it has printed so far.
    #[must_use]
    pub fn stdout(&self) -> String {
        self.stdout.text()
    }

    /// What it has said on stderr so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// Sends it a line, on which most fixtures go on.
    ///
    /// # Panics
    /// When its stdin is closed.
    pub fn proceed(&mut self) {
        let stdin = self.stdin.as_mut().expect("stdin is open");
        stdin.write_all(b"\n").expect("it reads");
    }

    /// Closes its stdin, at which fixtures end.
    pub fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Sends a signal.
    pub fn signal(&self, number: i32) {
        // SAFETY: a signal to our own child, which is not reaped yet.
        unsafe { libc::kill(self.pid().cast_signed(), number) };
    }

    /// True while it runs.
    ///
    /// # Panics
    /// When the kernel does not say.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("it is our child").is_none()
    }

    /// Waits for its end; closes stdin first.
    ///
    /// # Panics
    /// When it does not end in time.
    #[must_use]
    pub fn finish(mut self) -> Finished {
        self.close_stdin();
        let deadline = Instant::now() + patience(PATIENCE);
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                break status;
            }
            if Instant::now() > deadline {
                let (out, err) = (self.stdout(), self.stderr());
                panic!("it does not end; stdout:\n{out}\nstderr:\n{err}");
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        Finished {
            status,
            stdout: self.stdout.join(),
            stderr: self.stderr.join(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail when it has ended, as it should have.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Finished {
    /// Asserts success, and gives itself on.
    ///
    /// # Panics
    /// When it failed.
    #[must_use]
    pub fn success(self) -> Self {
        assert!(
            self.status.success(),
            "{}; stderr:\n{}",
            self.status,
            self.stderr
        );
        self
    }

    /// The numbers of the last line of its stdout: many fixtures end with a count.
    ///
    /// # Panics
    /// When that line is no number.
    #[must_use]
    pub fn count(&self) -> u64 {
        let last = self.stdout.lines().last().unwrap_or_default();
        last.parse()
            .unwrap_or_else(|_| panic!("no count in {last:?}"))
    }
}
