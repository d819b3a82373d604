//! Executables and recordings that are damaged are refused or read as far as they go.

mod shared;

use std::process::Command;

use shared::assert_nothing_left;
use tracer_tests::{Place, Running, one_line, place};

/// Copies a Go fixture with some of its bytes changed.
fn hostile_copy(place: &Place, name: &str, change: impl Fn(&mut Vec<u8>)) -> String {
    let copy = place.path("hostile");
    let _ = std::fs::remove_file(&copy);
    std::fs::copy(place.fixture(name), &copy).expect("a copy");
    let mut bytes = std::fs::read(&copy).expect("readable");
    change(&mut bytes);
    std::fs::write(&copy, bytes).expect("writable");
    copy
}

/// Where the file has a section, from its section headers.
fn section(bytes: &[u8], wanted: &str) -> std::ops::Range<usize> {
    let at = |offset: usize, size: usize| -> usize {
        let bytes = &bytes[offset..offset + size];
        bytes.iter().rev().fold(0, |n, &b| n << 8 | usize::from(b))
    };
    let (table, entry, count, names) = (at(0x28, 8), at(0x3a, 2), at(0x3c, 2), at(0x3e, 2));
    let header = |i: usize| table + i * entry;
    let names = at(header(names) + 0x18, 8);
    let found = (0..count).map(header).find(|&h| {
        let name = &bytes[names + at(h, 4)..];
        name.split(|&b| b == 0).next() == Some(wanted.as_bytes())
    });
    let header = found.unwrap_or_else(|| panic!("no section {wanted}"));
    let start = at(header + 0x18, 8);
    start..start + at(header + 0x20, 8)
}

/// A program that runs on while the tracer looks at a harmed file: it cannot be the one that is
/// mapped, so the tracer launches what it is to read and reads it before it runs.
fn assert_survives(place: &Place, file: &str, what: &str) {
    for command in [
        &["gc"][..],
        &["profile", "-F", "199"],
        &["strace", "-c"],
        &["strace", "--goroutines"],
    ] {
        let run = place
            .tracer(command)
            .args(&["-d", "2s"])
            .launching(file, &["-d", "200ms"])
            .run();
        let code = run.status.code();
        assert!(
            !run.stderr.contains("panicked"),
            "{what}, {command:?}: {}",
            run.stderr
        );
        assert!(
            !run.stderr.contains("unexpected error"),
            "{what}, {command:?}: {}",
            run.stderr
        );
        // The program may die of what was done to it; the tracer may not.
        assert!(
            code.is_some() || !run.stderr.contains("fatal runtime"),
            "{what}: {}",
            run.stderr
        );
        if command == ["gc"] && code == Some(5) {
            let line = one_line(&run, 5);
            assert!(line.contains(file), "{what}: {line}");
        }
    }
}

#[test]
fn harmed_executables_are_refused_or_read_as_far_as_they_go() {
    let Some(place) = place(true) else { return };
    let name = "go/1.24.11/gcload";
    let garbage = |i: usize| (i.wrapping_mul(2_654_435_761) >> 7) as u8;
    for wanted in [
        ".gopclntab",
        ".debug_info",
        ".debug_abbrev",
        ".debug_line",
        ".symtab",
        ".go.buildinfo",
    ] {
        let copy = hostile_copy(&place, name, |bytes| {
            let range = section(bytes, wanted);
            // The start stays: what begins well is read further.
            let middle = range.start + range.len().min(256) / 4;
            if wanted != ".gopclntab" {
                for (i, byte) in bytes[middle..range.end].iter_mut().enumerate() {
                    *byte = garbage(i);
                }
            } else {
                // The program needs its own table to run; only the names are harmed.
                for i in (range.start + range.len() / 64..range.start + range.len() / 16).step_by(3)
                {
                    bytes[i] ^= 0x55;
                }
            }
        });
        assert_survives(&place, &copy, wanted);
    }
    let header = hostile_copy(&place, name, |bytes| {
        // e_shoff, e_shnum, e_shstrndx: the kernel does not look at them.
        bytes[0x28..0x30].copy_from_slice(&u64::MAX.to_le_bytes());
        bytes[0x3c..0x40].fill(0xff);
    });
    assert_survives(&place, &header, "section headers");
    assert_nothing_left();
}

#[test]
fn a_file_that_is_cut_while_it_is_looked_at_harms_nobody() {
    let Some(place) = place(true) else { return };
    // The running program keeps its own file; what /proc/PID/root leads to is another one.
    let copy = place.path("program");
    std::fs::copy(place.fixture("go/1.24.11/cpusplit"), &copy).expect("a copy");
    let mut command = Command::new(&copy);
    let target = Running::ready(command.args(["-d", "60s"]));
    std::fs::remove_file(&copy).expect("removed");
    for bytes in [
        &b""[..],
        b"\x7fELF",
        b"\x7fELF\x02\x01\x01\x00garbage that goes on",
    ] {
        std::fs::write(&copy, bytes).expect("writable");
        let args = [
            "profile",
            "-d",
            "300ms",
            "-F",
            "199",
            "-p",
            &target.pid_text(),
        ];
        let run = place.tracer(&args).run().success();
        assert!(run.stdout.contains("main.burnSixty"), "{}", run.stdout);
    }
}

#[test]
fn damaged_recordings_are_exit_6_and_shown_as_far_as_they_can_be_read() {
    let Some(place) = place(true) else { return };
    let file = place.path("a.trc");
    let run = place.tracer(&["record", "-k", "strace", "-o", &file]);
    let _ = run
        .launching(place.fixture("c/getppid_loop"), &["20011", "2"])
        .run()
        .success();
    let show = |file: &str| place.tracer(&["report", "strace", file]).run();
    let whole = show(&file).success().stdout;
    let bytes = std::fs::read(&file).expect("a recording");
    let harmed = place.path("harmed.trc");
    for (what, cut) in [("half", bytes.len() / 2), ("most", bytes.len() - 3)] {
        std::fs::write(&harmed, &bytes[..cut]).expect("writable");
        let run = show(&harmed);
        let line = one_line(&run, 6);
        assert!(line.contains(&harmed), "{what}: {line}");
        let lines: Vec<&str> = run.stdout.lines().collect();
        assert!(lines.len() > 1000, "{what}: {} lines", lines.len());
        let same = lines
            .iter()
            .zip(whole.lines())
            .take_while(|(a, b)| *a == b)
            .count();
        assert!(
            same + 8 >= lines.len(),
            "{what}: {same} of {} lines are the same",
            lines.len()
        );
    }
    let mut flipped = bytes.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0x10;
    std::fs::write(&harmed, &flipped).expect("writable");
    let _ = one_line(&show(&harmed), 6);
    std::fs::write(&harmed, "#!/bin/sh\necho no recording\n").expect("writable");
    let _ = one_line(&show(&harmed), 6);
    std::fs::write(&harmed, "").expect("writable");
    let _ = one_line(&show(&harmed), 6);
    let run = show(&place.path("nowhere.trc"));
    let _ = one_line(&run, 6);
}
