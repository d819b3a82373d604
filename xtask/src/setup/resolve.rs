//! The order in which toolchains are looked for, and the stamp.

use std::fs::{self, File};
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, anyhow};

use super::debian::{self, Sources};
use super::linker::{self, Linker};
use super::nightly::{self, Nightly};
use super::trial;
use crate::bpf_toolchain::{Toolchain, cache_dir, driver_identity, stamp_path};
use crate::{pins, step};

/// The BPF toolchain, made if it is not there yet. Costs next to nothing when it is.
///
/// # Errors
/// No toolchain can be had: the message names everything that was tried, and the remedies.
pub(crate) fn ensure() -> Result<Toolchain> {
    let cache = cache_dir().map_err(|e| anyhow!(e))?;
    if let Some(toolchain) = current(&cache) {
        return Ok(toolchain);
    }
    fs::create_dir_all(&cache).with_context(|| format!("cannot make {}", cache.display()))?;
    let _lock = lock(&cache)?;
    // Another run may have done the work while this one waited.
    if let Some(toolchain) = current(&cache) {
        return Ok(toolchain);
    }
    let started = Instant::now();
    step::note(&format!(
        "setting up the BPF toolchain in {}",
        cache.display()
    ));
    let toolchain = resolve(&cache)?;
    let scratch = cache.join("toolchain.new");
    fs::write(&scratch, to_text(&toolchain))?;
    fs::rename(&scratch, stamp_path(&cache))?;
    step::note(&format!(
        "BPF toolchain ready after {:.0} s",
        started.elapsed().as_secs_f64()
    ));
    Ok(toolchain)
}

/// [`ensure`], then says what is used.
pub(crate) fn ensure_verbose() -> Result<()> {
    let toolchain = ensure()?;
    let [rustc, sources, linker] = &toolchain.versions;
    println!(
        "compiler  {rustc}\n          {}",
        toolchain.rustc().display()
    );
    println!(
        "sources   {sources}\n          {}",
        toolchain.library().display()
    );
    println!(
        "linker    {linker}\n          {}",
        toolchain.linker.display()
    );
    Ok(())
}

/// What the stamp says, if it still holds and was made with the same pins.
fn current(cache: &Path) -> Option<Toolchain> {
    Toolchain::load(cache)
        .ok()
        .filter(|toolchain| toolchain.pins == pins::identity())
}

/// Held until dropped: one setup at a time for one cache.
fn lock(cache: &Path) -> Result<File> {
    let path = cache.join("lock");
    let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    if file.try_lock().is_err() {
        step::note("another setup is at work; waiting for it");
        file.lock()?;
    }
    Ok(file)
}

/// What is there already, then rustup, then the distribution's package.
fn resolve(cache: &Path) -> Result<Toolchain> {
    let mut tried = Vec::new();
    let nightlies = nightly::installed(cache, &mut tried);
    let present = nightlies.iter().find_map(|nightly| {
        let sources = debian::cached(cache, nightly);
        (nightly.has_sources() || sources.is_some()).then(|| (nightly.clone(), sources))
    });
    if let Some((nightly, sources)) = present {
        match complete(cache, &nightly, sources) {
            Ok(toolchain) => return Ok(toolchain),
            Err(error) => tried.push(format!("{}: {error:#}", nightly.version)),
        }
    } else if !nightlies.is_empty() {
        tried.push("rust-src component: no installed nightly has it".to_owned());
    }
    match nightly::install(cache).and_then(|nightly| complete(cache, &nightly, None)) {
        Ok(toolchain) => return Ok(toolchain),
        Err(error) => tried.push(format!("rustup: {error:#}")),
    }
    for nightly in &nightlies {
        let fetched = debian::fetch(cache, nightly);
        match fetched.and_then(|sources| complete(cache, nightly, Some(sources))) {
            Ok(toolchain) => return Ok(toolchain),
            Err(error) => tried.push(format!("distribution package rust-src: {error:#}")),
        }
    }
    Err(anyhow!(
        "no BPF toolchain could be made; tried:\n  - {}\nremedy: rustup toolchain install {} --component rust-src, then cargo xtask setup",
        tried.join("\n  - "),
        pins::NIGHTLY
    ))
}

/// Adds a linker and proves the three by a trial build.
fn complete(cache: &Path, nightly: &Nightly, sources: Option<Sources>) -> Result<Toolchain> {
    let known = [linker::cached(cache, nightly), linker::on_path()];
    for linker in known.into_iter().flatten() {
        match attempt(cache, nightly, sources.as_ref(), &linker) {
            Ok(toolchain) => return Ok(toolchain),
            Err(error) => step::note(&format!(
                "{} does not serve: {error:#}",
                linker.path.display()
            )),
        }
    }
    let linker = linker::install(cache, nightly)?;
    attempt(cache, nightly, sources.as_ref(), &linker).context("trial build")
}

fn attempt(
    cache: &Path,
    nightly: &Nightly,
    sources: Option<&Sources>,
    linker: &Linker,
) -> Result<Toolchain> {
    let from = sources.map_or_else(
        || "the nightly's rust-src component".to_owned(),
        |sources| format!("distribution package rust-src {}", sources.version),
    );
    let toolchain = Toolchain {
        sysroot: nightly.sysroot.clone(),
        src_root: sources.map(|sources| sources.root.clone()),
        linker: linker.path.clone(),
        driver: driver_identity(&nightly.sysroot).map_err(|e| anyhow!(e))?,
        pins: pins::identity(),
        versions: [nightly.version.clone(), from, linker.version.clone()],
    };
    trial::build(cache, &toolchain)?;
    Ok(toolchain)
}

/// The stamp's text: what [`Toolchain::parse`] reads.
fn to_text(toolchain: &Toolchain) -> String {
    let [rustc, sources, linker] = &toolchain.versions;
    let src_root = toolchain.src_root.as_deref().unwrap_or(Path::new(""));
    format!(
        "# Made by `cargo xtask setup`; delete it to have the toolchain looked for again.\n\
         SYSROOT={}\nCARGO={}\nRUSTC={}\nSRC_ROOT={}\nLINKER={}\nDRIVER={}\nPINS={}\n\
         RUSTC_VERSION={rustc}\nSRC_VERSION={sources}\nLINKER_VERSION={linker}\n",
        toolchain.sysroot.display(),
        toolchain.cargo().display(),
        toolchain.rustc().display(),
        src_root.display(),
        toolchain.linker.display(),
        toolchain.driver,
        toolchain.pins,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn toolchain(src_root: Option<&str>) -> Toolchain {
        Toolchain {
            sysroot: "/n".into(),
            src_root: src_root.map(Into::into),
            linker: "/l/bpf-linker".into(),
            driver: "librustc_driver-1.so:5".into(),
            pins: "p".into(),
            versions: ["r".into(), "s".into(), "l".into()],
        }
    }

    #[test]
    fn a_stamp_is_read_as_it_was_written() {
        for root in [None, Some("/with space/=")] {
            let toolchain = toolchain(root);
            assert_eq!(Toolchain::parse(&to_text(&toolchain)), Ok(toolchain));
        }
    }

    #[test]
    fn a_cut_stamp_names_the_missing_line() {
        let text = to_text(&toolchain(None)).replace("LINKER=", "X=");
        assert_eq!(
            Toolchain::parse(&text),
            Err("line LINKER= is missing".to_owned())
        );
    }
}
