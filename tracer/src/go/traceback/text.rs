//! The text of a traceback (`goroutineheader`, `traceback2` and `printcreatedby`,
//! runtime/traceback.go of Go 1.18 to 1.27).

use std::borrow::Cow;

use super::traced::{MAX_GOROUTINES, TracebackError, TracedCall, TracedGoroutine};

/// What precedes the stack of a goroutine's ancestor (`GODEBUG=tracebackancestors`).
const ANCESTOR: &str = "[originating from goroutine ";

/// Reads every goroutine of a text; other lines are passed over.
pub(super) fn parse(text: &str) -> Result<Vec<TracedGoroutine<'_>>, TracebackError> {
    let mut goroutines = Vec::new();
    let mut lines = text.lines().map(|line| line.trim_end_matches('\r'));
    while let Some(line) = lines.next() {
        let Some(mut goroutine) = header(line) else {
            continue;
        };
        body(&mut goroutine, &mut lines);
        if goroutines.len() >= MAX_GOROUTINES {
            return Err(TracebackError::TooMany);
        }
        goroutines.push(goroutine);
    }
    Ok(goroutines)
}

/// `goroutine 7 gp=0xc00 m=nil [chan receive (scan), 2 minutes, locked to thread] {key: value}:`,
/// of which everything but the id and the state may be missing.
fn header(line: &str) -> Option<TracedGoroutine<'_>> {
    let rest = line.strip_prefix("goroutine ")?.strip_suffix(':')?;
    let (before, rest) = rest.split_once(" [")?;
    let id = before.split(' ').next()?.parse().ok()?;
    // Labels may hold brackets; the state does not.
    let (inside, _) = rest.split_once(']')?;
    let mut parts = inside.split(", ");
    let state = parts.next()?;
    let mut goroutine = TracedGoroutine {
        id,
        state: Cow::Borrowed(state.trim_end_matches(" (scan)")),
        ..TracedGoroutine::default()
    };
    for part in parts {
        if part == "locked to thread" {
            goroutine.is_locked = true;
        } else if let Some(minutes) = part.strip_suffix(" minutes") {
            goroutine.minutes = minutes.parse().unwrap_or(0);
        }
    }
    Some(goroutine)
}

/// The calls and the creator: pairs of lines, to the empty one.
fn body<'a>(goroutine: &mut TracedGoroutine<'a>, lines: &mut impl Iterator<Item = &'a str>) {
    let mut call = None;
    let mut is_ancestor = false;
    for line in lines.take_while(|line| !line.is_empty()) {
        is_ancestor |= line.starts_with(ANCESTOR);
        if is_ancestor {
            continue;
        }
        match (line.strip_prefix('\t'), call.take()) {
            (Some(place), Some(what)) => match what {
                What::Call(function) => goroutine.calls.push(at(function, place)),
                What::Creator(function) => goroutine.creator = Some(at(function, place)),
            },
            // A note on the stack as a whole.
            (Some(_), None) => {}
            (None, _) => call = what(line),
        }
    }
}

/// What the first line of a pair names.
enum What<'a> {
    Call(&'a str),
    Creator(&'a str),
}

fn what(line: &str) -> Option<What<'_>> {
    if let Some(creator) = line.strip_prefix("created by ") {
        // Go 1.21 tells the goroutine.
        let function = creator.rsplit_once(" in goroutine ");
        return Some(What::Creator(function.map_or(creator, |f| f.0)));
    }
    // Arguments have no parentheses, names may have.
    let (function, _) = line.strip_suffix(')')?.rsplit_once('(')?;
    Some(What::Call(function))
}

/// `/src/main.go:35 +0x1d fp=0xc00004e7d0 sp=0xc00004e7b0 pc=0x46b0bd`.
fn at<'a>(function: &'a str, place: &'a str) -> TracedCall<'a> {
    let end = place.rfind(" +0x").or_else(|| place.find(" fp=0x"));
    let place = end.map_or(place, |end| &place[..end]);
    let (file, line) = match place.rsplit_once(':') {
        Some((file, line)) => (file, line.parse().unwrap_or(0)),
        None => (place, 0),
    };
    TracedCall {
        function: Cow::Borrowed(function),
        file: Cow::Borrowed(if file == "?" { "" } else { file }),
        line,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::go::traceback::Traceback;

    const DUMP: &str = "\
SIGQUIT: quit
PC=0x46f4c1 m=0 sigcode=0

goroutine 0 gp=0x54f3c0 m=0 mp=0x54fd80 [idle]:
runtime.futex(0x54fec0, 0x80, 0x0)
\t/go/src/runtime/sys_linux_amd64.s:557 +0x21 fp=0x7ffe sp=0x7ff0 pc=0x46f4c1

goroutine 1 [chan receive (nil chan), 12 minutes, locked to thread]:
main.(*box[...]).run(0xc000012345, {0x1, 0x2?}, ...)
\t/src/my app/main.go:35 +0x1d
main.inlined(...)
\t/src/main.go:36
panic({0x47f0a0?, 0xc00010e018?})
\t?:0 +0x1a

goroutine 18 [running (scan)] {path: \"/a]b\"}:
\tgoroutine running on other thread; stack unavailable
created by main.(*server).Serve.func1 in goroutine 1
\t/src/main.go:174 +0x205
[originating from goroutine 1]:
main.main(...)
\t/src/main.go:1 +0x1
created by runtime.main
\t/go/src/runtime/proc.go:1

rax    0x0
";

    fn call<'a>(function: &'a str, file: &'a str, line: u32) -> TracedCall<'a> {
        TracedCall {
            function: Cow::Borrowed(function),
            file: Cow::Borrowed(file),
            line,
        }
    }

    #[test]
    fn a_dump_of_go_is_read() {
        let read = Traceback::parse(DUMP.as_bytes()).expect("goroutines");
        let [idle, first, running] = &read.goroutines[..] else {
            panic!("{read:?}");
        };
        assert_eq!((idle.id, &*idle.state), (0, "idle"));
        let file = "/go/src/runtime/sys_linux_amd64.s";
        assert_eq!(idle.calls, [call("runtime.futex", file, 557)]);
        assert_eq!((first.id, &*first.state), (1, "chan receive (nil chan)"));
        assert_eq!((first.minutes, first.is_locked), (12, true));
        assert_eq!(
            first.calls,
            [
                call("main.(*box[...]).run", "/src/my app/main.go", 35),
                call("main.inlined", "/src/main.go", 36),
                call("panic", "", 0),
            ]
        );
        assert_eq!(first.creator, None);
        assert_eq!((running.id, &*running.state), (18, "running"));
        assert_eq!(running.calls, []);
        let creator = call("main.(*server).Serve.func1", "/src/main.go", 174);
        assert_eq!(running.creator, Some(creator));
    }

    #[test]
    fn lines_may_end_as_on_other_systems() {
        let text = DUMP.replace('\n', "\r\n");
        let read = Traceback::parse(text.as_bytes()).expect("goroutines");
        let unix = Traceback::parse(DUMP.as_bytes()).expect("goroutines");
        assert_eq!(read, unix);
    }

    #[test]
    fn what_is_no_dump_says_what_it_is() {
        let why = |bytes: &[u8]| {
            let error = Traceback::parse(bytes).expect_err("no dump");
            error.to_string()
        };
        assert!(why(b"hello\n").starts_with("holds no goroutine"));
        assert!(
            why(b"goroutine profile: total 3\n1 @ 0x1\n").starts_with("is a goroutine profile")
        );
        assert!(why(&[0x1f, 0x8b, 8]).starts_with("is a goroutine profile"));
        assert!(why(&[0xff, 0xfe]).starts_with("is not text"));
        assert!(why(b"{\"a\": 1}").starts_with("is not JSON of"));
    }

    proptest! {
        #[test]
        fn no_text_is_too_odd(lines in prop::collection::vec(
            prop_oneof![
                "goroutine [0-9]{1,3}( gp=0x1)? \\[[a-z ,()\\]\\[{}]{0,20}\\]?:?",
                "created by .{0,20}",
                "\t.{0,30}",
                "[a-z.()]{0,20}",
                Just(String::new()),
            ],
            0..40,
        )) {
            let text = lines.join("\n");
            let headers = lines.iter().filter(|l| l.starts_with("goroutine ")).count();
            if let Ok(read) = Traceback::parse(text.as_bytes()) {
                prop_assert!(read.goroutines.len() <= headers);
            }
        }

        #[test]
        fn no_bytes_are_too_odd(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = Traceback::parse(&bytes);
        }
    }
}
