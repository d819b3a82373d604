//! A stripped Go program of about 100 MB, generated and compiled once: what it takes to name its
//! functions is what it takes to name those of kubectl or terraform.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::setting;
use crate::machine::Machine;
use crate::{fixtures, pins, step};

/// Packages, functions in each, and statements in each of those: 80,000 functions, as many as
/// large Go programs have.
const PACKAGES: usize = 32;
const FUNCTIONS: usize = 2500;
const STEPS: usize = 3;

/// Unoptimized code compiles in a third of the time and is about as large.
const FLAGS: &[&str] = &["-gcflags=large.test/large/...=-N -l", "-ldflags=-s -w"];

/// Goes into the main file, by which the build knows that everything is as before.
const EDITION: u32 = 1;

/// Where the program is once [`build`] has made it.
pub(super) fn path() -> PathBuf {
    setting::scratch_dir().join("large_go")
}

/// Generates and compiles the program unless it is there already: one to two minutes.
///
/// # Errors
/// No Go toolchain, or no room for 400 MB.
pub(super) fn build() -> Result<()> {
    let source = setting::scratch_dir().join("large_go_source");
    fs::create_dir_all(&source).with_context(|| format!("cannot make {}", source.display()))?;
    fs::write(
        source.join("go.mod"),
        "module large.test/large\n\ngo 1.21\n",
    )?;
    fs::write(source.join("main.go"), main_file())?;
    if !path().is_file() {
        step::note("generating and compiling a Go program of 100 MB, once: two minutes");
    }
    for number in 0..PACKAGES {
        write_package(&source.join(format!("p{number}")), number)?;
    }
    fixtures::go_module(pins::GO_DEMO, Machine::HOST, &source, &path(), FLAGS)
}

fn write_package(directory: &Path, number: usize) -> Result<()> {
    fs::create_dir_all(directory)?;
    let text = package_file(number);
    let file = directory.join("p.go");
    if fs::read_to_string(&file).is_ok_and(|old| old == text) {
        return Ok(());
    }
    fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))
}

fn package_file(number: usize) -> String {
    let mut text = format!("package p{number}\n\n{SHARED}");
    for function in 0..FUNCTIONS {
        push_function(&mut text, number, function);
    }
    text.push_str("var All = []func(uint64, []uint64) uint64{");
    for function in 0..FUNCTIONS {
        // Writing to a String cannot fail.
        let _ = write!(text, "Step{function}, ");
    }
    text + "}\n"
}

/// What every package has besides its steps.
const SHARED: &str = "func spread(s []uint64, x, k uint64) uint64 {
\ts[x%uint64(len(s))] = x ^ x>>7*k
\treturn s[k%uint64(len(s))] + x
}

func note(name string, x uint64, s []uint64) uint64 {
\tif len(s) == 0 {
\t\treturn uint64(len(name))
\t}
\ts[0] = x
\treturn x + uint64(len(name))
}

";

fn push_function(text: &mut String, package: usize, function: usize) {
    let _ = writeln!(text, "func Step{function}(x uint64, s []uint64) uint64 {{");
    for step in 0..STEPS {
        let seed = package * 131 + function * 31 + step * 7919;
        let _ = writeln!(
            text,
            "\tx = spread(s, x, {seed})\n\tif x%{} == 0 {{\n\t\tx = note(\"step {package} {function} {step}\", x, s[{step}:])\n\t}}\n\ts[{step}] += spread(s, x*{seed}, {step}) + note(\"then\", x, s)",
            step + 2,
        );
    }
    text.push_str("\treturn x\n}\n\n");
}

/// Calls one function after the other, so that a profile has samples in all parts.
fn main_file() -> String {
    let each = |line: fn(usize) -> String| (0..PACKAGES).map(line).collect::<String>();
    let imports = each(|number| format!("\t\"large.test/large/p{number}\"\n"));
    let lists = each(|number| format!("p{number}.All, "));
    format!(
        "// Edition {EDITION}: {PACKAGES} packages of {FUNCTIONS} functions of {STEPS} steps.
package main

import (
\t\"fmt\"
\t\"os\"
\t\"time\"
{imports})

func main() {{
\tvalues := make([]uint64, 64)
\tlists := [][]func(uint64, []uint64) uint64{{{lists}}}
\ttime.AfterFunc(10*time.Minute, func() {{ os.Exit(3) }}) // never outlives the run that started it
\tfmt.Println(\"ready\", os.Getpid())
\tfor n := 0; ; n++ {{
\t\tfor _, list := range lists {{
\t\t\tvalues[n%64] += list[n%len(list)](uint64(n), values)
\t\t}}
\t}}
}}
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_lists_all_its_functions() {
        let text = package_file(3);
        assert!(text.starts_with("package p3\n"));
        assert_eq!(text.matches("func Step").count(), FUNCTIONS);
        assert!(text.contains(&format!("Step{}, }}\n", FUNCTIONS - 1)));
    }

    #[test]
    fn the_main_file_names_every_package() {
        let text = main_file();
        assert_eq!(text.matches("large.test/large/p").count(), PACKAGES);
        assert!(text.contains(&format!("p{}.All, }}", PACKAGES - 1)));
    }
}
