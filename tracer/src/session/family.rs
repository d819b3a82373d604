//! The processes that a condition is about: those that were asked for and, where children are
//! followed, what they start while it is awaited.

use std::collections::{HashMap, HashSet};

use super::target::Target;
use super::watch::{Watched, is_alive};

/// The processes asked for and their descendants.
#[derive(Debug)]
pub(super) struct Family {
    asked: Vec<u32>,
    /// Children are followed from the beginning of a run on: those of before are none of it.
    before: HashSet<u32>,
    /// Held, so that their pids remain theirs.
    born: Vec<Watched>,
    follow: bool,
}

impl Family {
    pub(super) fn new(target: &Target, follow: bool) -> Self {
        let asked = target.pids();
        let before = match follow {
            true => descendants(&asked).into_iter().collect(),
            false => HashSet::new(),
        };
        Self {
            asked,
            before,
            born: Vec::new(),
            follow,
        }
    }

    /// Looks for new children, and forgets those that ended. A child of one that was never seen alive
    /// is not found.
    pub(super) fn look(&mut self) {
        if !self.follow {
            return;
        }
        self.born.retain(|child| !child.has_ended());
        let known: HashSet<u32> = self.pids().into_iter().collect();
        let new = descendants(&self.pids())
            .into_iter()
            .filter(|pid| !known.contains(pid) && !self.before.contains(pid));
        // One that has ended again is none.
        let new: Vec<_> = new.filter_map(|pid| Watched::open(pid).ok()).collect();
        self.born.extend(new);
    }

    pub(super) fn pids(&self) -> Vec<u32> {
        let born = self.born.iter().map(|child| child.pid);
        self.asked.iter().copied().chain(born).collect()
    }

    /// Whether children go on when those that were asked for have ended.
    pub(super) fn is_left(&self) -> bool {
        self.born.iter().any(|child| !child.has_ended())
    }

    /// The children that are alive.
    pub(super) fn into_born(self) -> Vec<Watched> {
        self.born
    }
}

/// Children of processes, and theirs.
fn descendants(of: &[u32]) -> Vec<u32> {
    let mut by_parent = None;
    let mut found = Vec::new();
    let mut left = of.to_vec();
    let mut seen: HashSet<u32> = of.iter().copied().collect();
    while let Some(pid) = left.pop() {
        let children = listed_children(pid).unwrap_or_else(|| {
            let all = by_parent.get_or_insert_with(parents);
            all.get(&pid).cloned().unwrap_or_default()
        });
        let new = children.into_iter().filter(|child| seen.insert(*child));
        let new: Vec<u32> = new.collect();
        found.extend(&new);
        left.extend(&new);
    }
    found
}

/// What /proc/PID/task/TID/children lists (man 5 proc). `None` where the kernel has no such file and
/// the process is alive.
fn listed_children(pid: u32) -> Option<Vec<u32>> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task"));
    let lists: Vec<_> = tasks
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok())
        .collect();
    if lists.is_empty() && is_alive(pid) {
        return None;
    }
    let words = lists.iter().flat_map(|list| list.split_whitespace());
    Some(words.filter_map(|word| word.parse().ok()).collect())
}

/// Children of all processes by their parents.
fn parents() -> HashMap<u32, Vec<u32>> {
    let mut all: HashMap<u32, Vec<u32>> = HashMap::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|n| n.parse().ok()) else {
            continue;
        };
        let stat = std::fs::read(entry.path().join("stat")).unwrap_or_default();
        if let Some(parent) = parent(&String::from_utf8_lossy(&stat)) {
            all.entry(parent).or_default().push(pid);
        }
    }
    all
}

/// `ppid`: the second word behind the name in /proc/PID/stat (man 5 proc).
fn parent(stat: &str) -> Option<u32> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command, Stdio};

    use super::*;

    #[test]
    fn lines_of_proc() {
        assert_eq!(parent("812 (a) 7 2) S 77 812 812 0 -1"), Some(77));
        assert_eq!(parent("812 (x"), None);
        assert_eq!(parent(""), None);
    }

    /// A shell that waits for a child of its own.
    fn shell() -> Child {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "sleep 60 & echo $!; wait"]);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("a shell");
        let mut line = String::new();
        let out = child.stdout.as_mut().expect("piped");
        let _ = std::io::BufRead::read_line(&mut std::io::BufReader::new(out), &mut line);
        assert!(!line.is_empty());
        child
    }

    #[test]
    fn grandchildren_are_found_in_either_way() {
        let mut shell = shell();
        let me = std::process::id();
        let found = descendants(&[me]);
        assert!(found.contains(&shell.id()), "{found:?}");
        let sleeper = descendants(&[shell.id()]);
        assert_eq!(sleeper.len(), 1, "{sleeper:?}");
        assert!(found.contains(&sleeper[0]), "{found:?}");
        let all = parents();
        assert_eq!(all.get(&shell.id()), Some(&sleeper));
        for pid in [sleeper[0], shell.id()] {
            // SAFETY: no pointers are passed; both are ours and not yet reaped.
            unsafe { libc::kill(pid.cast_signed(), libc::SIGKILL) };
        }
        shell.wait().expect("ours");
        assert!(descendants(&[shell.id()]).is_empty());
    }
}
