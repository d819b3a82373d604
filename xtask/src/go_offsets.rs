//! Rows of the table of Go's runtime structures, by the DWARF of a program that the release's own
//! toolchain builds.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use tracer_tests::{GoTypes, releases_of_table, row_of_table, row_text};

use crate::machine::Machine;
use crate::{fixtures, step, workspace};

/// What may be asked.
#[derive(Args)]
pub(crate) struct Options {
    /// Releases, as 1.24.11
    #[arg(value_name = "VERSION", required_unless_present = "all")]
    versions: Vec<String>,
    /// Every release that the table has
    #[arg(long, conflicts_with = "versions")]
    all: bool,
    /// Only say which rows differ
    #[arg(long)]
    check: bool,
}

/// It uses what the runtime has structures for: what nothing uses has no DWARF.
const PROGRAM: &str = r#"package main

import (
	"net"
	"os"
	"runtime/pprof"
	"time"
)

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	var waiting chan int
	select {
	case waiting <- 1:
	case <-time.After(time.Millisecond):
	}
	listener.Close()
	pprof.WriteHeapProfile(os.Stdout)
}
"#;

/// The architectures that rows are for, with their names there.
const MACHINES: [(Machine, &str); 2] = [(Machine::X86_64, "Amd64"), (Machine::Aarch64, "Arm64")];

/// How a row compares with the table's.
enum Compared {
    Equal,
    New,
    Different { table: String },
}

/// Prints the rows of each release, and compares them with those of the table.
///
/// # Errors
/// No toolchain, a field that the release has not, or a row of the table that says otherwise.
pub(crate) fn go_offsets(options: &Options) -> Result<()> {
    let path = workspace::root().join("tracer/src/go/layout/table.rs");
    let table =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let versions = match options.all {
        true => releases_of_table(&table),
        false => options.versions.clone(),
    };
    let mut failed = Vec::new();
    for version in &versions {
        for (machine, arch) in MACHINES {
            let name = format!("Go {version} {}", machine.go_name());
            let row = row(version, machine, arch);
            let row = match row {
                Ok(row) => row,
                Err(error) => {
                    step::note(&format!("{name}: {error:#}"));
                    failed.push(name);
                    continue;
                }
            };
            if !options.check {
                print!("{row}");
            }
            match compare(&table, version, arch, &row)? {
                Compared::Equal => step::note(&format!("{name}: as in the table")),
                Compared::New => step::note(&format!(
                    "{name}: the table has no row; put it into {}",
                    path.display()
                )),
                Compared::Different { table } => {
                    step::note(&format!(
                        "{name}: the table differs:\n{}",
                        differences(&table, &row)
                    ));
                    failed.push(name);
                }
            }
        }
    }
    match failed.is_empty() {
        true => Ok(()),
        false => bail!("not as in the table: {}", failed.join(", ")),
    }
}

fn row(version: &str, machine: Machine, arch: &str) -> Result<String> {
    let program = build(version, machine)?;
    let types = GoTypes::read(&program)
        .map_err(|error| anyhow!("cannot read the DWARF of {}: {error}", program.display()))?;
    row_text(version, arch, &types).map_err(|error| {
        anyhow!("{error}; see tracer/src/go/layout/fields.txt, where a field has its names")
    })
}

/// Builds the program with that release.
fn build(version: &str, machine: Machine) -> Result<PathBuf> {
    let home = workspace::target().join("go-offsets");
    let module = home.join("program");
    fs::create_dir_all(&module).with_context(|| format!("cannot make {}", module.display()))?;
    write(&module.join("main.go"), PROGRAM)?;
    write(&module.join("go.mod"), "module program\n\ngo 1.19\n")?;
    let program = home.join(version).join(machine.go_name());
    fixtures::go_module(version, machine, &module, &program, &[])?;
    Ok(program)
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

fn compare(table: &str, version: &str, arch: &str, row: &str) -> Result<Compared> {
    let known = row_of_table(table, version, arch).map_err(|error| anyhow!(error))?;
    Ok(match known {
        None => Compared::New,
        Some(known) if known == row => Compared::Equal,
        Some(known) => Compared::Different {
            table: known.to_owned(),
        },
    })
}

/// The members that are not equal, one a line, that of the table first.
fn differences(table: &str, row: &str) -> String {
    let members = |row: &str| -> Vec<String> {
        let lines = row.lines().filter_map(|line| line.split_once(" { "));
        let members = lines.flat_map(|(structure, rest)| {
            let rest = rest.trim_end_matches("},").trim().to_owned();
            let structure = structure.trim().to_owned();
            let members: Vec<String> = rest.split(", ").map(str::to_owned).collect();
            members
                .into_iter()
                .map(move |member| format!("{structure} {member}"))
        });
        members.collect()
    };
    let (table, row) = (members(table), members(row));
    let only = |mark: &str, one: &[String], other: &[String]| -> String {
        let lines = one.iter().filter(|member| !other.contains(member));
        lines.map(|member| format!("  {mark} {member}\n")).collect()
    };
    only("table", &table, &row) + &only("DWARF", &row, &table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_differs_is_told_member_by_member() {
        let head =
            "    Layout {\n        release: Release::new(24, 3),\n        arch: Arch::Arm64,\n";
        let of = |g: u32| format!("{head}        g: G {{ a: 1, g: {g} }},\n    }},\n");
        let table = of(4);
        let same = compare(&table, "1.24.3", "Arm64", &of(4)).expect("a release");
        assert!(matches!(same, Compared::Equal));
        let none = compare(&table, "1.24.3", "Amd64", &of(4)).expect("a release");
        assert!(matches!(none, Compared::New));
        let other = compare(&table, "1.24.3", "Arm64", &of(8)).expect("a release");
        assert!(matches!(other, Compared::Different { .. }));
        assert_eq!(
            differences(&table, &of(8)),
            "  table g: G g: 4\n  DWARF g: G g: 8\n"
        );
    }
}
