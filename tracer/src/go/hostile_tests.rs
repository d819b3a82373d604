//! Arbitrary and damaged input: readers answer or refuse, never panic, in bounded time.

use std::path::Path;
use std::time::{Duration, Instant};

use proptest::collection::vec;
use proptest::prelude::*;

use super::code::{Access, Reference};
use super::gc::{GcCycle, GcReadPlan};
use super::layout::Layout;
use super::probe_site::ProbeSite;
use super::{Arch, Binary, BinaryError, CurrentG, Globals, Memory, MemoryError, Release};

const BASE: u64 = 0x40_0000;
const TABLE: u64 = 0x400;
const RECORDS: u64 = 0x1000;
const MODULE: u64 = 0x2000;

fn put(image: &mut [u8], at: u64, bytes: &[u8]) {
    image[at as usize..at as usize + bytes.len()].copy_from_slice(bytes);
}

/// A small executable in the format of Go 1.24: a data and a text segment, a build record, a function table
/// with `main.main` (into which `main.leaf` is inlined) and `main.other`, and a module record.
fn small_executable() -> Vec<u8> {
    let mut image = vec![0; 0x3000];
    put(&mut image, 0, b"\x7fELF\x02\x01\x01");
    put(&mut image, 16, &[2, 0, 62, 0]);
    put(&mut image, 32, &64_u64.to_le_bytes());
    put(&mut image, 54, &[56, 0, 2, 0]);
    let data = [1 | 6 << 32, 0, BASE, BASE, 0x2800, 0x2800, 0x1000];
    let text = [
        1 | 5 << 32,
        0x2800,
        BASE + 0x2800,
        BASE + 0x2800,
        0x800,
        0x800,
        0x1000,
    ];
    for (index, word) in data.iter().chain(&text).enumerate() {
        put(&mut image, 64 + index as u64 * 8, &u64::to_le_bytes(*word));
    }
    put(&mut image, 0x200, b"\xff Go buildinf:\x08\x02");
    put(&mut image, 0x220, b"\x08go1.24.3\x00");
    put_table(&mut image);
    let pointers = [
        (0, BASE + TABLE),
        (1, BASE + TABLE + 0x80),
        (22, BASE + 0x2800),
        (23, BASE + 0x2900),
    ];
    for (index, word) in pointers {
        put(&mut image, MODULE + index * 8, &u64::to_le_bytes(word));
    }
    for index in [24, 26, 28, 30] {
        put(
            &mut image,
            MODULE + index * 8,
            &(BASE + 0x2a00).to_le_bytes(),
        );
        put(
            &mut image,
            MODULE + index * 8 + 8,
            &(BASE + 0x2b00).to_le_bytes(),
        );
    }
    put(&mut image, MODULE + 40 * 8, &(BASE + 0x2700).to_le_bytes());
    // The inline tree: main.leaf, called at offset 2 of main.main.
    put(&mut image, 0x2700 + 4, &21_u32.to_le_bytes());
    put(&mut image, 0x2700 + 8, &2_u32.to_le_bytes());
    image
}

fn put_table(image: &mut [u8]) {
    put(image, TABLE, &[0xf1, 0xff, 0xff, 0xff, 0, 0, 1, 8]);
    let words = [
        2,
        1,
        BASE + 0x2800,
        0x80,
        0x100,
        0x110,
        0x140,
        RECORDS - TABLE,
    ];
    for (index, word) in words.iter().enumerate() {
        put(
            image,
            TABLE + 8 + index as u64 * 8,
            &u64::to_le_bytes(*word),
        );
    }
    put(image, TABLE + 0x80, b"main.main\0main.other\0main.leaf\0");
    put(image, TABLE + 0x110, b"/src/main.go\0");
    // Values at 1: file 0 for 64 bytes. At 4: line 10 for 8 bytes, then 20. At 9: inlined call 0
    // for bytes 4 to 8.
    put(image, TABLE + 0x141, &[2, 64, 0]);
    put(image, TABLE + 0x144, &[22, 8, 20, 56, 0]);
    put(image, TABLE + 0x149, &[0, 4, 2, 4, 1, 56, 0]);
    let index = [0_u32, 0x20, 0x40, 0x60, 0x80];
    for (at, word) in index.iter().enumerate() {
        put(image, RECORDS + at as u64 * 4, &word.to_le_bytes());
    }
    let record = [
        0,
        0,
        0,
        0,
        0,
        1,
        4,
        3,
        0,
        9,
        4 << 24,
        0,
        0,
        9,
        u32::MAX,
        u32::MAX,
        u32::MAX,
        0,
    ];
    for (at, word) in record.iter().enumerate() {
        if at < 16 {
            put(
                image,
                RECORDS + 0x20 + at as u64 * 4,
                &u32::to_le_bytes(*word),
            );
        }
    }
}

fn exercise(binary: &Binary) {
    let _ = CurrentG::locate(binary);
    let _ = binary.load_bias(0x7000_0000, 0x1000);
    let layout = Layout::for_release(Release::new(24, 3), binary.arch())
        .expect("known")
        .layout;
    let _ = Globals::locate(binary, layout);
    let Ok(pclntab) = binary.pclntab() else {
        return;
    };
    for offset in [0, 1, 5, 9, 0x3f, 0x40, 0x7f, 0x80, u64::MAX / 2] {
        let pc = pclntab.text().wrapping_add(offset);
        let _ = pclntab.symbolize(pc);
        if let Ok(Some(function)) = pclntab.function_at(pc) {
            let _ = ProbeSite::locate(binary, &function);
        }
    }
    let _ = pclntab.find_functions(&["main.main", "main.leaf", ""]);
}

#[test]
fn the_small_executable_reads_as_written() {
    let binary = Binary::parse(small_executable()).expect("sound");
    assert_eq!(binary.release(), Some(Release::new(24, 3)));
    assert_eq!(binary.module().expect("module").text, BASE + 0x2800);
    let pclntab = binary.pclntab().expect("table");
    let main = pclntab
        .find_function("main.main")
        .expect("readable")
        .expect("present");
    assert_eq!((main.entry, main.end), (BASE + 0x2800, BASE + 0x2840));
    assert_eq!(pclntab.find_function("main.leaf").expect("readable"), None);
    let frames = |pc| {
        let frames = pclntab.symbolize(pc).expect("readable").into_iter();
        let frames = frames.map(|frame| {
            (
                frame.function,
                frame.file.unwrap_or_default(),
                frame.line,
                frame.inlined,
            )
        });
        frames.collect::<Vec<_>>()
    };
    let at =
        |name: &str, line, inlined| (name.to_owned(), "/src/main.go".to_owned(), line, inlined);
    assert_eq!(frames(main.entry), [at("main.main", 10, false)]);
    assert_eq!(
        frames(main.entry + 5),
        [at("main.leaf", 10, true), at("main.main", 10, false)]
    );
    assert_eq!(frames(main.entry + 9), [at("main.main", 20, false)]);
    assert_eq!(frames(main.entry + 0x100), []);
}

#[test]
fn files_that_are_not_go_are_told_apart() {
    let error = |bytes: Vec<u8>| Binary::parse(bytes).expect_err("refused").to_string();
    assert!(error(b"#!/bin/sh\n".to_vec()).starts_with("not an ELF file"));
    assert!(error(Vec::new()).starts_with("not an ELF file"));
    assert!(error(small_executable()[..40].to_vec()).contains("ends before"));
    let mut plain = small_executable();
    plain[0x200..0x600].fill(0);
    assert!(error(plain).starts_with("not a Go executable"));
    let mut other = small_executable();
    other[18] = 243;
    assert!(error(other).contains("ELF machine 243"));
    let own = std::env::current_exe().expect("path");
    let error = Binary::open(&own).expect_err("Rust");
    assert!(
        error.to_string().starts_with("not a Go executable"),
        "{error}"
    );
    assert!(Binary::open(Path::new("/nonexistent")).is_err());
}

/// What a file made to harm may cost. Unbounded, each of those below takes minutes.
fn assert_soon(work: impl FnOnce()) {
    let started = Instant::now();
    work();
    let took = started.elapsed();
    assert!(took < Duration::from_secs(10), "{took:?}");
}

/// Each mark is followed by the length of a version as long as the file allows.
#[test]
fn a_file_full_of_build_record_marks_is_read_soon() {
    let mut bytes = small_executable();
    bytes.resize(4 << 20, 0);
    // The segment of data covers the file, and no version is where the build record was.
    put(&mut bytes, 64 + 32, &(4_u64 << 20).to_le_bytes());
    bytes[0x200..0x240].fill(0);
    for at in (0x3000..bytes.len() - 64).step_by(64) {
        put(&mut bytes, at as u64, b"\xff Go buildinf:\x08\x02");
        put(&mut bytes, at as u64 + 32, &[0xff, 0xff, 0x3f]);
    }
    assert_soon(|| {
        let binary = Binary::parse(bytes).expect("it has a function table");
        assert!(binary.build_info().is_none());
    });
}

#[test]
fn a_file_of_thousands_of_segments_is_searched_soon() {
    const SEGMENTS: u16 = 60_000;
    let mut bytes = vec![0; 4 << 20];
    put(&mut bytes, 0, &small_executable()[..64]);
    put(&mut bytes, 56, &SEGMENTS.to_le_bytes());
    for index in 0..u64::from(SEGMENTS) {
        let words = [1 | 6 << 32, 0, BASE, BASE, 4 << 20, 4 << 20, 0x1000];
        for (word, at) in words.iter().zip((64 + index * 56..).step_by(8)) {
            put(&mut bytes, at, &u64::to_le_bytes(*word));
        }
    }
    assert_soon(|| {
        let error = Binary::parse(bytes).expect_err("no mark of Go is in it");
        assert!(matches!(error, BinaryError::NotGo), "{error}");
    });
}

/// A call inlined into itself, all of whose tables are a million steps long.
#[test]
fn an_address_with_endless_tables_is_named_soon() {
    const STEPS: usize = 1_000_000;
    let mut bytes = small_executable();
    let values = bytes.len() as u64 - (TABLE + 0x140);
    bytes.extend([2, 0]);
    // Down to -1 and up to 0 again; the last pair covers the function.
    bytes.extend([1, 0, 2, 0].repeat(STEPS / 2));
    bytes.extend([1, 0, 2, 64]);
    for word in [5, 6, 13] {
        put(
            &mut bytes,
            RECORDS + 0x20 + word * 4,
            &(values as u32).to_le_bytes(),
        );
    }
    put(&mut bytes, 0x2700 + 8, &5_u32.to_le_bytes());
    let binary = Binary::parse(bytes).expect("sound");
    let pclntab = binary.pclntab().expect("table");
    assert_soon(|| {
        for _ in 0..4 {
            let error = pclntab.symbolize(BASE + 0x2805).expect_err("too long");
            assert!(error.to_string().contains("without an end"), "{error}");
        }
    });
}

/// Names may lie over the border of two pieces of the file, and one may be as long as the file.
#[test]
fn a_name_table_without_ends_does_not_hide_the_names_before() {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    let mut bytes = small_executable();
    // The units' table, and all that follows it, 300 KiB later.
    let moved = 300 << 10;
    let mut long = bytes[..0x400 + 0x100].to_vec();
    long.extend(vec![b'a'; moved]);
    long.extend(bytes.drain(0x400 + 0x100..));
    for word in [5, 6, 7, 8] {
        let at = TABLE + 8 + word * 8 - 8;
        let old = u64::from_le_bytes(long[at as usize..at as usize + 8].try_into().expect("8"));
        put(&mut long, at, &(old + moved as u64).to_le_bytes());
    }
    for word in [64 + 32, 64 + 40] {
        put(&mut long, word, &(0x2800 + moved as u64).to_le_bytes());
    }
    std::fs::write(file.path(), long).expect("written");
    let binary = Binary::open(file.path()).expect("sound");
    let table = binary.pclntab().expect("table");
    let found = table.find_functions(&["main.main"]).expect("readable");
    // The zeros of the second record name the first function too.
    assert_eq!(found["main.main"].len(), 2);
}

/// Memory whose every word is drawn from `words` by its address.
struct NoiseMemory {
    words: Vec<u64>,
}

impl Memory for NoiseMemory {
    fn read(&self, addr: u64, buf: &mut [u8]) -> Result<(), MemoryError> {
        for (index, byte) in buf.iter_mut().enumerate() {
            let at = addr.wrapping_add(index as u64);
            let word = self.words[(at / 8) as usize % self.words.len()];
            *byte = word.to_le_bytes()[(at % 8) as usize];
        }
        Ok(())
    }
}

fn globals() -> Globals {
    Globals {
        work: 0x1000,
        gc_controller: 0x2000,
        memstats: 0x3000,
        runtime_init_time: 0x4000,
        sched: 0x5000,
        gomaxprocs: 0x6000,
        allgs: 0x7000,
        allp: 0x8000,
        allm: 0x9000,
        wait_reason_strings: 0xa000,
    }
}

proptest! {
    #[test]
    fn arbitrary_files(bytes in vec(any::<u8>(), 0..4096)) {
        let _ = Binary::parse(bytes);
    }

    #[test]
    fn damaged_files(edits in vec((0_usize..0x3000, any::<u8>()), 0..24), cut in 0_usize..0x3400) {
        let mut bytes = small_executable();
        for (at, byte) in edits {
            bytes[at] = byte;
        }
        bytes.truncate(cut.max(64));
        if let Ok(binary) = Binary::parse(bytes) {
            exercise(&binary);
        }
    }

    #[test]
    fn damaged_tables(edits in vec((0_usize..0x140, prop_oneof![Just(0), Just(0x7f), Just(0xff), any::<u8>()]), 1..6)) {
        let mut bytes = small_executable();
        for (at, byte) in edits {
            bytes[if at < 0x100 { 0x1000 + at } else { 0x500 + at } % 0x3000] = byte;
        }
        if let Ok(binary) = Binary::parse(bytes) {
            exercise(&binary);
        }
    }

    #[test]
    fn arbitrary_code(code in vec(any::<u8>(), 0..200), entry: u64) {
        for arch in [Arch::Amd64, Arch::Arm64] {
            if let Some(site) = ProbeSite::decode(arch, &code) {
                prop_assert!((site.offset as usize) < code.len());
            }
            let found: Vec<Reference> = super::code::references_in(arch, &code, entry);
            prop_assert!(found.iter().all(|one| (one.at as usize) < code.len() || one.access == Access::Other));
        }
    }

    #[test]
    fn arbitrary_cycles(seed in vec(any::<u8>(), 512), count in 0_usize..6, cut in 0_usize..3) {
        for (minor, patch) in [(19, 8), (21, 13), (24, 3), (27, 3)] {
            let layout = Layout::for_release(Release::new(minor, patch), Arch::Amd64).expect("known").layout;
            let plan = GcReadPlan::new(layout, &globals());
            let ranges = plan.ranges.iter().map(|range| &seed[cut / 2..range.len as usize]);
            let ranges: Vec<&[u8]> = ranges.take(count).collect();
            if let Ok(cycle) = GcCycle::decode(layout, &ranges) {
                prop_assert!(cycle.to_string().starts_with("gc "));
            }
        }
    }

    #[test]
    fn arbitrary_memory(words in vec(prop_oneof![any::<u64>(), 0_u64..64, Just(u64::MAX)], 1..40)) {
        let memory = NoiseMemory { words };
        let layout = Layout::for_release(Release::new(27, 3), Arch::Amd64).expect("known").layout;
        let _ = layout.verify(&memory, &globals(), &[1, 2, 3]);
    }
}
