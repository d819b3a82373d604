//! Man pages are read by both formatters, completions by the shells they are for.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::check::{expect, has};
use crate::dist::sums;

/// Neither mandoc nor groff warns of a page.
pub(super) fn man_pages(dir: &Path) -> Result<()> {
    let pages = sums::files(dir)?;
    if has("mandoc", "man pages by mandoc") {
        let mut mandoc = Command::new("mandoc");
        mandoc
            .current_dir(dir)
            .args(["-T", "lint", "-W", "warning"]);
        expect("man pages by mandoc", mandoc.args(&pages), &[])?;
    }
    if has("man", "man pages by man") {
        let mut man = Command::new("sh");
        let script = "for page; do man --warnings -E UTF-8 -l \"$page\" > /dev/null || exit; done";
        man.current_dir(dir).args(["-c", script, "sh"]).args(&pages);
        man.env("MANWIDTH", "80").env("LC_ALL", "C.UTF-8");
        expect("man pages by man", &mut man, &[])?;
    }
    Ok(())
}

/// Each shell loads its script and offers our commands and options.
pub(super) fn completions(out: &Path) -> Result<()> {
    let dir = out.join("completions");
    for (shell, script) in [("bash", BASH), ("zsh", ZSH), ("fish", FISH)] {
        let what = format!("completions in {shell}");
        if has(shell, &what) {
            let mut command = Command::new(shell);
            if shell == "zsh" {
                command.arg("-f");
            }
            command
                .current_dir(&dir)
                .args(["-c", script])
                .env("DIR", &dir);
            expect(&what, &mut command, &["strace", "--goroutines"])?;
        }
    }
    Ok(())
}

const BASH: &str = r#"
set -eu
. ./tracer.bash
complete -p tracer > /dev/null
ask() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
    _tracer tracer "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"; echo "${COMPREPLY[@]}"; }
ask tracer str
ask tracer strace --gor
"#;

/// zsh completes at a terminal only: one is made for it, and what it puts there is read.
const ZSH: &str = r#"
zmodload zsh/zpty
zpty shell 'TERM=dumb zsh -f -i'
zpty -w shell 'PS1=; fpath=("$DIR" $fpath); autoload -U compinit; compinit -u -D; unsetopt zle_bracketed_paste'
zpty -w shell 'echo loaded $_comps[tracer]'
zpty -r shell line '*loaded _tracer*' || exit 1
zpty -n -w shell $'tracer strac\t--gorout\t\n'
zpty -r shell line $'*--goroutines *'
print -r -- "$line"
zpty -d shell
"#;

const FISH: &str = r#"
source ./tracer.fish; or exit 1
complete --do-complete 'tracer str'
complete --do-complete 'tracer strace --gor'
"#;
