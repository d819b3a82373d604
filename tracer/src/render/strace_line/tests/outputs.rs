//! Where lines and notices stand.

use super::*;

/// Keeps what is written where a test can read it.
#[derive(Clone, Default)]
struct Shared(std::rc::Rc<std::cell::RefCell<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn notices_stand_apart_from_lines() {
    let (out, told) = (Shared::default(), Shared::default());
    let column = Column::new(out.clone(), "out".to_owned());
    let options = LineOptions {
        follow: true,
        ..LineOptions::default()
    };
    let notices = Notices::to(Box::new(told.clone()));
    let mut sink = StraceLines::with_outputs(options, Outputs::One(column), notices);
    let events = [
        at(0, 0, Body::Threads(vec![100, 102])),
        enter(1, 100, 61, [0; 6]),
        lives()[0].clone(),
        end(StopReason::Interrupted),
    ];
    for event in &events {
        sink.event(event).expect("written");
    }
    let text = |shared: &Shared| String::from_utf8(shared.0.borrow().clone()).expect("ASCII");
    assert_eq!(text(&out), "[pid   100] wait4(0,  <unfinished ...>\n");
    assert_eq!(
        text(&told),
        "strace: Process 100 attached with 2 threads\nstrace: Process 101 attached\n\
         strace: Process 100 detached\nstrace: Process 101 detached\n\
         strace: Process 102 detached\n"
    );
}

#[test]
fn each_thread_has_a_file_of_its_own() {
    let base = std::env::temp_dir().join(format!("tracer-lines-{}", std::process::id()));
    let files = Outputs::<Vec<u8>>::Separate(SeparateFiles::new(base.clone(), false));
    let options = LineOptions {
        prefix: Prefix::Never,
        ..LineOptions::default()
    };
    let mut sink = StraceLines::with_outputs(options, files, Notices::none());
    let events = [
        enter(0, 100, 61, [0; 6]),
        enter(1, 101, 39, [0; 6]),
        exit(2, 101, 39, 7),
        gone(3, 101, 0),
        exit(4, 100, 61, 101),
        end(StopReason::TargetExited),
    ];
    for event in &events {
        sink.event(event).expect("written");
    }
    let read = |tid: u32| {
        let path = format!("{}.{tid}", base.display());
        let text = std::fs::read_to_string(&path).expect("a file");
        let _ = std::fs::remove_file(path);
        text
    };
    assert_eq!(read(100), "wait4(0, NULL, 0, NULL)                 = 101\n");
    assert_eq!(
        read(101),
        "getpid()                                = 7\n+++ exited with 0 +++\n"
    );
}
