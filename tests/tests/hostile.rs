//! Input that others control, replayed: what fuzzers found and what they start from, and the same
//! damaged at random.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};
use tracer_tests::hostile::{
    Accounting, SURFACES, Surface, decoded_records, peak_during, recorded_events, replayed_events,
    surface,
};

#[global_allocator]
static ALLOCATOR: Accounting = Accounting;

/// Time for one input. Unbounded work takes minutes or does not end.
const SOON: Duration = Duration::from_secs(10);

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

/// The committed inputs of a surface, with their names.
fn inputs(surface: &Surface) -> Vec<(PathBuf, Vec<u8>)> {
    let directories = ["seeds", "regressions"].map(|kind| fuzz().join(kind).join(surface.name));
    let mut files: Vec<PathBuf> = directories
        .iter()
        .filter_map(|directory| fs::read_dir(directory).ok())
        .flat_map(|entries| entries.flatten().map(|entry| entry.path()))
        .collect();
    files.sort();
    let read = |file: PathBuf| {
        let bytes = fs::read(&file).expect("a committed file");
        (file, bytes)
    };
    files.into_iter().map(read).collect()
}

/// Whether there is what the surface of that name works on.
fn is_possible(name: &str) -> bool {
    let possible = name != "go_patched" || std::env::var_os("TRACER_FIXTURES").is_some();
    if !possible {
        eprintln!("SKIPPED: TRACER_FIXTURES names nothing; run the tests with `cargo xtask test`");
    }
    possible
}

/// Feeds every committed input to the surface of that name.
fn replay(name: &str) {
    if !is_possible(name) {
        return;
    }
    let surface = surface(name);
    for (file, bytes) in inputs(surface) {
        eprintln!("{}", file.display());
        let started = Instant::now();
        surface.check(&bytes);
        assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
    }
}

/// A committed input with some bytes changed, cut off or repeated.
fn damage(inputs: &[(PathBuf, Vec<u8>)]) -> impl Strategy<Value = Vec<u8>> + use<> {
    let inputs: Vec<Vec<u8>> = inputs.iter().map(|(_, bytes)| bytes.clone()).collect();
    let byte = prop_oneof![
        Just(0),
        Just(1),
        Just(0x7f),
        Just(0x80),
        Just(0xff),
        any::<u8>()
    ];
    let edits = prop::collection::vec((any::<Index>(), byte), 0..12);
    let cut = prop_oneof![3 => Just(None), 1 => any::<Index>().prop_map(Some)];
    let moved = prop::option::weighted(0.2, (any::<Index>(), any::<Index>(), 1_usize..64));
    (any::<Index>(), edits, cut, moved).prop_map(move |(which, edits, cut, moved)| {
        let mut bytes = which.get(&inputs).clone();
        if bytes.is_empty() {
            return bytes;
        }
        for (at, byte) in edits {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some((from, to, len)) = moved {
            let from = from.index(bytes.len());
            let piece = bytes[from..bytes.len().min(from + len)].to_vec();
            let to = to.index(bytes.len());
            bytes.splice(to..to, piece);
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len() + 1));
        }
        bytes
    })
}

/// Feeds damaged inputs to the surface of that name for half a second.
fn survive_damage(name: &str) {
    const CASES: u32 = 16;
    if !is_possible(name) {
        return;
    }
    let surface = surface(name);
    let inputs = inputs(surface);
    assert!(!inputs.is_empty(), "{name} has no seed");
    let config = Config {
        failure_persistence: None,
        ..Config::with_cases(CASES)
    };
    let (started, mut cases) = (Instant::now(), 0);
    while started.elapsed() < Duration::from_millis(500) {
        let mut runner = TestRunner::new(config.clone());
        let result = runner.run(&damage(&inputs), |bytes| {
            let started = Instant::now();
            surface.check(&bytes);
            prop_assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
            Ok(())
        });
        result.unwrap_or_else(|error| panic!("{name}: {error}"));
        cases += CASES;
    }
    eprintln!("{name}: {cases} inputs");
}

macro_rules! surfaces {
    ($($module:ident),+ $(,)?) => {
        $(mod $module {
            #[test]
            fn committed_inputs() {
                super::replay(stringify!($module));
            }

            #[test]
            fn damaged_inputs() {
                super::survive_damage(stringify!($module));
            }
        })+

        const TESTED: &[&str] = &[$(stringify!($module)),+];
    };
}

surfaces!(
    decode,
    recording,
    replay,
    go_binary,
    go_patched,
    go_memory,
    core_file,
    filter,
    syscall,
    proc_text,
    doctor,
    kernel_types,
    executable,
    symbolize,
    unwind_table,
    mapping_records,
    redaction,
);

#[test]
fn every_surface_has_a_target_seeds_and_tests() {
    let names: Vec<&str> = SURFACES.iter().map(|surface| surface.name).collect();
    assert_eq!(names, TESTED);
    for surface in SURFACES {
        let target = fuzz().join(format!("fuzz_targets/{}.rs", surface.name));
        let text = fs::read_to_string(&target).expect("a fuzz target");
        assert!(
            text.contains(&format!("\"{}\"", surface.name)),
            "{}",
            target.display()
        );
        assert!(!inputs(surface).is_empty(), "{} has no seed", surface.name);
    }
}

/// What is refused at its first bytes leads a fuzzer nowhere: seeds follow the formats.
#[test]
fn seeds_are_in_the_formats_of_this_build() {
    let seeds = |surface| fuzz().join("seeds").join(surface);
    let names = fs::read_dir(seeds("recording")).expect("committed seeds");
    let names: Vec<_> = names.flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(names.len(), 4);
    for name in names {
        let seed = |surface| fs::read(seeds(surface).join(&name)).expect("of the same events");
        let events = recorded_events(&seed("recording"));
        assert_eq!(events.len(), 60, "{}", name.display());
        assert_eq!(
            replayed_events(&seed("replay")),
            events,
            "{}",
            name.display()
        );
        assert!(decoded_records(&seed("decode")) > 0, "{}", name.display());
    }
}

#[test]
fn memory_is_counted() {
    let peak = peak_during(|| drop(std::hint::black_box(vec![1_u8; 5 << 20])));
    assert!((5 << 20..6 << 20).contains(&peak), "{peak}");
    let after = peak_during(|| {});
    assert_eq!(after, 0);
}
