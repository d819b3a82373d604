//! `LICENSES.txt`: what is linked into the binary, under which licences, and their texts.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use serde_json::Value;

use crate::machine::Machine;
use crate::{host, step};

/// The crates whose code is in the binary: the tool, and the BPF programs it carries.
const ROOTS: &[&str] = &["tracer", "tracer-ebpf"];

/// What no crate brings.
const OTHERS: &str = "\
Rust standard library: MIT OR Apache-2.0
GNU C Library, linked statically: LGPL-2.1-or-later; who wants another version of it in the
  binary builds that from tracer's sources
";

const RULE: &str = "\
--------------------------------------------------------------------------------
";

/// One crate of another project.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Crate {
    name: String,
    version: String,
    /// SPDX expression.
    licence: String,
    directory: PathBuf,
}

/// The list, the same for the same `Cargo.lock`.
///
/// # Errors
/// Cargo does not tell, or a crate names no licence.
pub(super) fn list() -> Result<String> {
    let mut cargo = host::cargo();
    cargo.args(["metadata", "--format-version=1", "--locked"]);
    cargo.args(["--filter-platform", Machine::HOST.triple()]);
    let metadata: Value = serde_json::from_str(&step::output_of(&mut cargo)?)?;
    let linked = linked(&metadata, ROOTS)?;
    let mut text = format!(
        "tracer: MIT OR Apache-2.0; its BPF programs: MIT OR GPL-2.0\n\n{OTHERS}\n\
         The crates linked into it, with the licences they name:\n\n"
    );
    for one in &linked {
        writeln!(text, "{} {}: {}", one.name, one.version, one.licence)?;
    }
    text += "\nTheir texts, as the crates bring them:\n";
    for (licence, crates) in texts(&linked)? {
        writeln!(text, "\n{RULE}{}\n{RULE}", crates.join(", "))?;
        text += licence.trim_end();
        text.push('\n');
    }
    Ok(text)
}

fn array<'a>(value: &'a Value, key: &str) -> Result<&'a Vec<Value>> {
    let found = value.get(key).and_then(Value::as_array);
    found.ok_or_else(|| anyhow!("cargo metadata has no list {key}"))
}

fn text<'a>(value: &'a Value, key: &str) -> Result<&'a str> {
    let found = value.get(key).and_then(Value::as_str);
    found.ok_or_else(|| anyhow!("cargo metadata has no text {key}"))
}

/// What is reached from the packages `roots` by ordinary dependencies, without macros and build
/// scripts: these run at build time only.
fn linked(metadata: &Value, roots: &[&str]) -> Result<Vec<Crate>> {
    let packages: BTreeMap<&str, &Value> = array(metadata, "packages")?
        .iter()
        .map(|p| Ok((text(p, "id")?, p)))
        .collect::<Result<_>>()?;
    let nodes: BTreeMap<&str, &Value> =
        array(metadata.get("resolve").unwrap_or(&Value::Null), "nodes")?
            .iter()
            .map(|n| Ok((text(n, "id")?, n)))
            .collect::<Result<_>>()?;
    let members: BTreeSet<&str> = array(metadata, "workspace_members")?
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let is_root = |id: &&str| {
        packages[id]["name"]
            .as_str()
            .is_some_and(|n| roots.contains(&n))
    };
    let mut open: Vec<&str> = members.iter().copied().filter(is_root).collect();
    let mut seen = BTreeSet::new();
    while let Some(id) = open.pop() {
        if is_macro(packages[id]) || !seen.insert(id) {
            continue;
        }
        for dependency in array(nodes[id], "deps")? {
            let kinds = array(dependency, "dep_kinds")?;
            if kinds.iter().any(|k| k["kind"].is_null()) {
                open.push(text(dependency, "pkg")?);
            }
        }
    }
    let others = seen.into_iter().filter(|id| !members.contains(id));
    let mut crates: Vec<Crate> = others.map(|id| one(packages[id])).collect::<Result<_>>()?;
    crates.sort();
    Ok(crates)
}

fn is_macro(package: &Value) -> bool {
    let targets = package["targets"].as_array();
    let kinds = targets
        .into_iter()
        .flatten()
        .flat_map(|t| t["kind"].as_array());
    kinds.flatten().any(|kind| kind == "proc-macro")
}

fn one(package: &Value) -> Result<Crate> {
    let name = text(package, "name")?.to_owned();
    let manifest = Path::new(text(package, "manifest_path")?);
    let Some(licence) = package["license"].as_str() else {
        bail!("crate {name} names no licence: look at it before it is shipped");
    };
    Ok(Crate {
        name,
        version: text(package, "version")?.to_owned(),
        licence: licence.to_owned(),
        directory: manifest.parent().unwrap_or(manifest).to_owned(),
    })
}

/// Each text once, with the names of the crates that bring it, in the order of the first of them.
fn texts(crates: &[Crate]) -> Result<Vec<(String, Vec<String>)>> {
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    let mut found: Vec<(String, Vec<String>)> = Vec::new();
    for one in crates {
        for file in licence_files(&one.directory)? {
            let bytes =
                fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
            let licence = String::from_utf8_lossy(&bytes).replace('\r', "");
            // Texts differ in how their lines are broken.
            let words: Vec<&str> = licence.split_whitespace().collect();
            let place = *places.entry(words.join(" ")).or_insert(found.len());
            if place == found.len() {
                found.push((licence, Vec::new()));
            }
            let names = &mut found[place].1;
            if !names.contains(&one.name) {
                names.push(one.name.clone());
            }
        }
    }
    Ok(found)
}

/// Files of a crate's directory that hold its terms, sorted.
fn licence_files(directory: &Path) -> Result<Vec<PathBuf>> {
    const STARTS: &[&str] = &["licen", "copying", "notice", "unlicense", "copyright"];
    let list =
        fs::read_dir(directory).with_context(|| format!("cannot list {}", directory.display()))?;
    let mut files: Vec<PathBuf> = list
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .to_lowercase();
            path.is_file() && STARTS.iter().any(|start| name.starts_with(start))
        })
        .collect();
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Package `a` needs `b`, builds with `c`, derives with `d`, is tested with `e`; `b` needs `f`.
    fn metadata() -> Value {
        let package = |name: &str, kind: &str| {
            serde_json::json!({
                "id": name, "name": name, "version": "1.0.0", "license": "MIT",
                "manifest_path": format!("/x/{name}/Cargo.toml"), "targets": [{"kind": [kind]}],
            })
        };
        let dep = |name: &str, kind: Option<&str>| serde_json::json!({"pkg": name, "dep_kinds": [{"kind": kind}]});
        let node = |name: &str, deps: Vec<Value>| serde_json::json!({"id": name, "deps": deps});
        serde_json::json!({
            "packages": [
                package("a", "lib"), package("b", "lib"), package("c", "lib"),
                package("d", "proc-macro"), package("e", "lib"), package("f", "lib"),
            ],
            "workspace_members": ["a"],
            "resolve": {"nodes": [
                node("a", vec![
                    dep("b", None), dep("c", Some("build")), dep("d", None), dep("e", Some("dev")),
                ]),
                node("b", vec![dep("f", None)]),
                node("c", vec![]), node("d", vec![]), node("e", vec![]), node("f", vec![]),
            ]},
        })
    }

    #[test]
    fn only_what_is_linked_is_listed() {
        let crates = linked(&metadata(), &["a"]).expect("well formed");
        let names: Vec<&str> = crates.iter().map(|c| c.name.as_str()).collect();
        assert_eq!(names, ["b", "f"]);
        assert_eq!(crates[0].directory, Path::new("/x/b"));
    }

    #[test]
    fn a_crate_without_a_licence_stops_the_release() {
        let mut metadata = metadata();
        metadata["packages"][5]["license"] = Value::Null;
        let error = linked(&metadata, &["a"]).expect_err("f has none");
        assert!(
            error.to_string().starts_with("crate f names no licence"),
            "{error}"
        );
        assert!(linked(&Value::Null, &["a"]).is_err());
    }

    #[test]
    fn a_text_is_printed_once() {
        let dir = std::env::temp_dir().join(format!("xtask-licences-{}", std::process::id()));
        let one = |name: &str, file: &str, text: &str| {
            let directory = dir.join(name);
            fs::create_dir_all(&directory).expect("scratch directory");
            fs::write(directory.join(file), text).expect("a text");
            Crate {
                name: name.to_owned(),
                version: "1".to_owned(),
                licence: "MIT".to_owned(),
                directory,
            }
        };
        let crates = [
            one("a", "LICENSE", "Do as\nyou like."),
            one("b", "license-mit", "Do as you\r\nlike."),
            one("c", "COPYING", "Other."),
            one("d", "main.rs", "fn main() {}"),
        ];
        let texts = texts(&crates).expect("readable");
        fs::remove_dir_all(&dir).expect("clean up");
        assert_eq!(texts.len(), 2);
        assert_eq!(texts[0].1, ["a", "b"]);
        assert_eq!(texts[1], ("Other.".to_owned(), vec!["c".to_owned()]));
    }
}
