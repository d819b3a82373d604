//! Readers against real executables of several releases.

use std::collections::BTreeMap;
use std::path::Path;

use super::fixture::executables;
use super::gc::GC_CYCLE_PROBE;
use super::layout::Layout;
use super::probe_site::ProbeSite;
use super::{Arch, Binary, CurrentG, Globals};

fn layout(binary: &Binary) -> &'static Layout {
    let info = binary.build_info().expect("build record");
    Layout::candidates(info, binary.arch()).expect("a row")[0].layout
}

#[test]
fn identity_and_tables() {
    for path in executables("identity_and_tables") {
        let name = path.display();
        let binary = Binary::open(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
        let version = path
            .parent()
            .and_then(Path::file_name)
            .and_then(|v| v.to_str())
            .expect("directory");
        let info = binary.build_info().expect("build record");
        assert_eq!(info.version, format!("go{version}"), "{name}");
        let module = binary
            .module()
            .unwrap_or_else(|| panic!("{name}: no module record"));
        assert!(
            module.text < module.etext && module.gofunc.is_some(),
            "{name} {module:x?}"
        );
        let pclntab = binary
            .pclntab()
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let main = pclntab
            .find_function("main.main")
            .expect("readable")
            .expect("main.main");
        assert_eq!(
            pclntab.function_at(main.end - 1).expect("readable"),
            Some(main),
            "{name}"
        );
        assert_eq!(
            pclntab.name(&main).expect("readable"),
            "main.main",
            "{name}"
        );
    }
}

#[test]
fn the_version_is_found_without_a_build_record() {
    for path in executables("the_version_is_found_without_a_build_record") {
        let name = path.display();
        let recorded = Binary::open(&path).expect("Go");
        let mut bytes = std::fs::read(&path).expect("readable");
        let mark = b"\xff Go buildinf:";
        let marks: Vec<usize> = positions(&bytes, mark);
        assert!(!marks.is_empty(), "{name}");
        for at in marks {
            bytes[at..at + mark.len()].fill(0);
        }
        let found = Binary::parse(bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(found.release(), recorded.release(), "{name}");
        assert_eq!(found.module(), recorded.module(), "{name}");
    }
}

fn positions(bytes: &[u8], wanted: &[u8]) -> Vec<usize> {
    let windows = bytes.windows(wanted.len()).enumerate();
    windows
        .filter(|(_, w)| *w == wanted)
        .map(|(at, _)| at)
        .collect()
}

#[test]
fn globals_by_code_equal_the_symbol_table() {
    let mut located: BTreeMap<String, Globals> = BTreeMap::new();
    for path in executables("globals_by_code_equal_the_symbol_table") {
        let name = path.display().to_string();
        let binary = Binary::open(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
        // `locate` compares with the symbol table itself where there is one.
        let globals = Globals::locate(&binary, layout(&binary))
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        located.insert(name, globals);
    }
    // Stripping moves data as a whole (the module text shrinks): distances stay.
    for (name, globals) in &located {
        if let Some(twin) = located.get(name.trim_end_matches("-stripped")) {
            let shift = globals.work.wrapping_sub(twin.work);
            assert_eq!(
                globals.gc_controller.wrapping_sub(twin.gc_controller),
                shift,
                "{name}"
            );
            assert_eq!(
                globals.memstats.wrapping_sub(twin.memstats),
                shift,
                "{name}"
            );
        }
    }
}

#[test]
fn the_cycle_probe_sits_behind_the_stack_check() {
    for path in executables("the_cycle_probe_sits_behind_the_stack_check") {
        let name = path.display();
        let binary = Binary::open(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
        let pclntab = binary.pclntab().expect("readable");
        let function = pclntab
            .find_function(GC_CYCLE_PROBE)
            .expect("readable")
            .expect("present");
        let (site, at) =
            ProbeSite::locate(&binary, &function).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(site.after_check, "{name}");
        let pushes = binary.arch() == Arch::Amd64 && binary.release().expect("release").minor >= 21;
        assert_eq!(site.single_stepped, !pushes, "{name}");
        assert_eq!(
            binary.vaddr_to_file_offset(function.entry + u64::from(site.offset)),
            Some(at)
        );
    }
}

#[test]
fn the_goroutine_slot_is_decoded() {
    for path in executables("the_goroutine_slot_is_decoded") {
        let name = path.display().to_string();
        let binary = Binary::open(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
        let place = CurrentG::locate(&binary).unwrap_or_else(|error| panic!("{name}: {error}"));
        match (binary.arch(), place) {
            (Arch::Amd64, CurrentG::FsBase { offset, .. }) if name.contains("static") => {
                assert!(offset <= -8, "{name}")
            }
            (Arch::Amd64, CurrentG::FsBase { offset, .. }) => assert_eq!(offset, -8, "{name}"),
            (Arch::Arm64, CurrentG::Register28 { .. }) => {}
            (arch, place) => panic!("{name}: {place:?} on {arch:?}"),
        }
    }
}
