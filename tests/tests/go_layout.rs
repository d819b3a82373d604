//! The table of Go's runtime structures against the DWARF of what the releases build.

use tracer::go::layout::{Confidence, Layout};
use tracer::go::{Arch, Release};
use tracer_tests::{GoTypes, place, row_parts};

#[test]
fn rows_are_what_the_releases_say() {
    let Some(place) = place(false) else { return };
    let arch = match cfg!(target_arch = "aarch64") {
        true => Arch::Arm64,
        false => Arch::Amd64,
    };
    for release in place.go_releases() {
        let program = place.fixture(&format!("go/{release}/server"));
        let types = GoTypes::read(&program).expect("a program with DWARF");
        let parts = row_parts(&types).unwrap_or_else(|missing| panic!("{release}: {missing}"));
        let number = Release::parse(&format!("go{release}")).expect("a release");
        let selection = Layout::for_release(number, arch).expect("a row of the release");
        assert_eq!(selection.confidence, Confidence::Exact, "{release}");
        let of_table = format!("{:?}", selection.layout);
        let head = format!(
            "Layout {{ release: {:?}, arch: {arch:?}, ",
            selection.layout.release
        );
        let parts: Vec<String> = parts
            .iter()
            .map(|part| format!("{}: {}", part.member, part.value))
            .collect();
        let of_dwarf = format!("{head}{} }}", parts.join(", "));
        assert_eq!(
            of_table.replace("}, ", "},\n"),
            of_dwarf.replace("}, ", "},\n"),
            "{release}: `cargo xtask go-offsets {release}` has the row"
        );
    }
}
