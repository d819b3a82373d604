//! `tracer goroutines --core` on cores that the kernel and gcore make of real programs.

use std::collections::BTreeMap;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tracer_tests::{Place, Running, number_after, one_line, place, skip, until};

/// Goroutines of a dump by their id: the rest of the text.
fn goroutines(dump: &str) -> BTreeMap<u64, String> {
    let parts = dump.split("\n\n").filter_map(|part| {
        let id = number_after(part.lines().next()?, "goroutine ")?;
        let text = part.split_once(" [")?.1;
        Some((id, text.trim_end().to_owned()))
    });
    parts.collect()
}

/// Those that stand still while the runtime prints its dump and dies.
fn stands_still(text: &str) -> bool {
    !text.contains("main.dumper(") && !text.contains("os/signal.")
}

/// The runtime's dump of those that stand still.
fn own_dump(target: &Running) -> BTreeMap<u64, String> {
    target.signal(libc::SIGUSR1);
    let text = until("the dump", || {
        let text = target.stderr();
        text.contains("\ndumped\n").then_some(text)
    });
    let text = text.rsplit_once("\ndumped\n").expect("it is there").0;
    let mut all = goroutines(text);
    all.retain(|_, text| stands_still(text));
    all
}

/// Lets a program die with a core in the test's directory; `None` where the kernel is told to do
/// something else with cores.
fn kernel_core(place: &Place, mut command: Command) -> Option<(BTreeMap<u64, String>, PathBuf)> {
    let pattern = std::fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap_or_default();
    if pattern.trim() != "core" {
        skip(&format!("the kernel writes cores to {:?}", pattern.trim()));
        return None;
    }
    let dir = place.dir().join("core-of");
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir(&dir).expect("the test's own directory");
    // The runtime raises SIGABRT when it has printed what it wants to.
    command.current_dir(&dir).env("GOTRACEBACK", "crash");
    // SAFETY: plain system calls in the child.
    unsafe {
        command.pre_exec(|| {
            let all = libc::rlimit {
                rlim_cur: libc::RLIM_INFINITY,
                rlim_max: libc::RLIM_INFINITY,
            };
            libc::setrlimit(libc::RLIMIT_CORE, &raw const all);
            Ok(())
        });
    }
    let mut target = Running::ready(&mut command);
    let dump = own_dump(&target);
    target.signal(libc::SIGQUIT);
    // Its stdin stays open, or those that wait for its end would go on.
    until("its end", || (!target.is_running()).then_some(()));
    let files = std::fs::read_dir(&dir).expect("readable").flatten();
    let core = files.map(|file| file.path()).find(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("core")
    });
    Some((dump, core.expect("a core")))
}

/// The core of a program that runs on.
fn gcore(place: &Place, target: &Running) -> Option<PathBuf> {
    let (prefix, pid) = (place.path("gcore"), target.pid_text());
    let run = Command::new("gcore")
        .args(["-o", &prefix, &pid])
        .stdin(Stdio::null())
        .output();
    match run {
        Ok(output) if output.status.success() => Some(PathBuf::from(format!("{prefix}.{pid}"))),
        Ok(output) => panic!("gcore: {}", String::from_utf8_lossy(&output.stderr)),
        Err(error) => {
            skip(&format!("gcore: {error}"));
            None
        }
    }
}

fn read(place: &Place, core: &Path, args: &[&str]) -> String {
    let core = core.to_str().expect("text");
    let args = [&["goroutines", "--core", core], args].concat();
    place.tracer(&args).run().success().stdout
}

#[test]
fn cores_of_the_kernel_have_what_the_runtime_printed() {
    let Some(place) = place(true) else { return };
    for release in place.go_releases() {
        for build in place.go_variants(&release, "goroutines") {
            let name = format!("go/{release}/goroutines{build}");
            let command = place.command(&name, &["-n", "10"]);
            let Some((theirs, core)) = kernel_core(&place, command) else {
                return;
            };
            let mut ours = goroutines(&read(&place, &core, &[]));
            ours.retain(|_, text| stands_still(text));
            // Who was about to run went on between the runtime's dump and its end.
            let stood = |text: &String| !text.starts_with("runnable");
            for (id, text) in theirs.iter().filter(|(_, text)| stood(text)) {
                assert_eq!(ours.get(id), Some(text), "{name}, goroutine {id}");
            }
            assert_eq!(ours.len(), theirs.len(), "{name}");
            let summary = read(&place, &core, &["--summary"]);
            assert!(
                summary.contains("10 goroutines [sleep]:\n"),
                "{name}: {summary}"
            );
            let waiters = read(&place, &core, &["--waiters"]);
            assert!(
                waiters.contains("10 to lock in main.inMutex "),
                "{name}: {waiters}"
            );
        }
    }
}

#[test]
fn those_that_ran_have_their_stacks() {
    let Some(place) = place(true) else { return };
    // One release: gcore writes all that is reserved, too, a gigabyte.
    let release = place.go_releases().pop().expect("a release");
    let name = format!("go/{release}/spinning");
    let target = Running::ready(&mut place.command(&name, &[]));
    let Some(core) = gcore(&place, &target) else {
        return;
    };
    let text = read(&place, &core, &["--format", "json"]);
    let document: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(document["pid"], target.pid());
    let all = document["goroutines"].as_array().expect("goroutines");
    let functions = |goroutine: &Value| -> Vec<String> {
        let frames = goroutine["frames"].as_array().expect("frames");
        let names = frames
            .iter()
            .map(|f| f["function"].as_str().expect("a name"));
        names.map(str::to_owned).collect()
    };
    let spins = |g: &&Value| functions(g).iter().any(|f| f == "main.outer");
    let spinning = all
        .iter()
        .find(spins)
        .unwrap_or_else(|| panic!("{name}: {text}"));
    assert_eq!(functions(spinning), ["main.spin", "main.outer"], "{name}");
    assert_eq!(spinning["stack"], "frames", "{name}");
    let copies = |g: &&Value| functions(g).iter().any(|f| f == "main.copies");
    assert!(all.iter().any(|g| copies(&g)), "{name}: {text}");
}

#[test]
fn what_is_no_such_core_is_refused() {
    let Some(place) = place(true) else { return };
    let release = place.go_releases().pop().expect("a release");
    let target = Running::ready(&mut place.command(&format!("go/{release}/sleeper"), &[]));
    let Some(core) = gcore(&place, &target) else {
        return;
    };
    // Its notes and some of its memory.
    let mut bytes = vec![0; 1 << 20];
    let mut opened = std::fs::File::open(&core).expect("readable");
    opened.read_exact(&mut bytes).expect("it is longer");
    let file = |name: &str, bytes: &[u8]| {
        let path = place.path(name);
        std::fs::write(&path, bytes).expect("the test's own directory");
        path
    };
    let whole = core.to_str().expect("text").to_owned();
    let other = place.fixture("c/sleeper");
    let other = other.to_str().expect("text");
    let cut = file("cut", &bytes);
    let head = file("head", &bytes[..100]);
    let text = file("text", b"no core\n");
    for (args, why) in [
        (vec![&*text], "text is not an ELF core file"),
        (vec![other], "is not an ELF core file"),
        (vec![&head], "head is damaged: its list of segments"),
        (vec![&cut], "bytes of it are missing"),
        (vec![&whole, "--exe", other], "which cannot be read: "),
        (vec!["/nonexistent"], "/nonexistent cannot be read: "),
    ] {
        let run = place
            .tracer(&[&["goroutines", "--core"], &args[..]].concat())
            .run();
        let line = one_line(&run, 6);
        assert!(line.contains(why), "{line}");
    }
}
