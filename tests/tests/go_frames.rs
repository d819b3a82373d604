//! `tracer strace --goroutines` names the function whose call it is, on every Go release and build.

use regex_lite::Regex;
use tracer_tests::{Place, Running, number_after, place, until};

/// A word that the program writes, and the function that writes it.
const CALLERS: [(&str, &str); 7] = [
    ("alpha", "main.alpha"),
    ("flush", "main.(*Store).flush"),
    ("inlined", "main.inlined"),
    ("put", "main.(*Box[...]).put"),
    ("note", "shop/audit.Note"),
    ("raw", "main.raw"),
    ("closure", "main.main.func3"),
];
const COUNT: u64 = 5;
const OPTIONS: [&str; 4] = ["strace", "--goroutines", "-e", "trace=write"];

/// Runs the program under the trace, and gives the trace's lines and the program's.
fn attached(place: &Place, program: &str) -> (String, String) {
    let count = COUNT.to_string();
    let mut target = Running::ready(&mut place.command(program, &["-n", &count]));
    let tracer = place.tracer(&OPTIONS);
    let tracer = tracer.args(&["-p", &target.pid_text()]).attach();
    target.proceed();
    until("the calls", || {
        target.stdout().contains("\ntotal").then_some(())
    });
    let said = target.stdout();
    target.proceed();
    let _ = target.finish().success();
    (tracer.finish().success().stdout, said)
}

fn assert_names(trace: &str, said: &str, of: &str) {
    for (at, (word, function)) in CALLERS.into_iter().enumerate() {
        let goroutine = number_after(said, &format!("\n{word} ")).expect(word);
        let written = format!("\"{word}\"");
        let lines: Vec<&str> = trace.lines().filter(|l| l.contains(&written)).collect();
        assert_eq!(
            lines.len() as u64,
            COUNT + at as u64,
            "{of}, {word}:\n{trace}"
        );
        let prefix = format!(" g {goroutine} {function}] write(");
        let other = lines.iter().find(|l| !l.contains(&prefix));
        assert!(other.is_none(), "{of}, {word}: {other:?} is not of{prefix}");
    }
    let library = trace.lines().find(|l| l.contains("\"library\""));
    let feeder = Regex::new(r" g [0-9]+ os/exec\.[^ ]+\] write\(").expect("a valid pattern");
    assert!(
        library.is_some_and(|l| feeder.is_match(l)),
        "{of}: {library:?}"
    );
}

#[test]
fn a_line_names_the_function_of_the_program_that_called() {
    let Some(place) = place(true) else { return };
    for release in place.go_releases() {
        for build in place.go_variants(&release, "callers") {
            let program = format!("go/{release}/callers{build}");
            let (trace, said) = attached(&place, &program);
            assert_names(&trace, &said, &program);
        }
    }
}

#[test]
fn a_launched_program_and_a_recording_have_the_names() {
    let Some(place) = place(true) else { return };
    let release = place.go_releases().pop().expect("one");
    let (lines, recording) = (place.path("lines"), place.path("a.trc"));
    for build in ["", "-stripped", "-pie"] {
        let program = place.fixture(&format!("go/{release}/callers{build}"));
        let count = COUNT.to_string();
        let enough = |r: &Running| r.stdout().contains("\ntotal");
        let run = place
            .tracer(&OPTIONS)
            .args(&["-o", &lines])
            .launching(&program, &["-n", &count])
            .run_interactive(enough)
            .success();
        let trace = std::fs::read_to_string(&lines).expect("written");
        // A single process's lines in a file begin with the goroutine.
        let trace = trace.replace("[g ", "[pid 1 g ");
        assert_names(&trace, &run.stdout, &format!("launched{build}"));

        let run = place
            .tracer(&["record", "--force", "-k", "strace", "-o", &recording])
            .launching(&program, &["-n", &count])
            .run_interactive(enough)
            .success();
        let report = place
            .tracer(&["report", "strace", "--goroutines", &recording])
            .run()
            .success();
        assert_names(&report.stdout, &run.stdout, &format!("recorded{build}"));
    }
}
