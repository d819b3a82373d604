//! Names of threads after their ids: `-Y`.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::printer::{Printer, put};

/// Names of threads, by id. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct ThreadNames(Rc<RefCell<HashMap<u32, String>>>);

impl ThreadNames {
    /// A thread has this name from now on.
    pub fn learn(&self, tid: u32, comm: &str) {
        self.0.borrow_mut().insert(tid, comm.to_owned());
    }

    /// Reads the name of a thread of process `pid`, unless it is known.
    pub fn look_up(&self, pid: u32, tid: u32) {
        let mut names = self.0.borrow_mut();
        names
            .entry(tid)
            .or_insert_with(|| read(&format!("/proc/{pid}/task/{tid}/comm")).unwrap_or_default());
    }

    /// A thread is gone.
    pub fn forget(&self, tid: u32) {
        self.0.borrow_mut().remove(&tid);
    }

    /// The name of a thread that is traced.
    #[must_use]
    pub fn of(&self, tid: u32) -> Option<String> {
        self.0.borrow().get(&tid).cloned()
    }

    /// The name of any thread there is.
    fn of_any(&self, tid: u32) -> Option<String> {
        self.of(tid).or_else(|| read(&format!("/proc/{tid}/comm")))
    }
}

fn read(file: &str) -> Option<String> {
    let comm = std::fs::read(file).ok()?;
    Some(String::from_utf8_lossy(&comm).trim_end().to_owned())
}

/// Arguments that are ids of processes or threads.
static ARGUMENTS: &[(&str, &[usize])] = &[
    ("get_robust_list", &[0]),
    ("getpgid", &[0]),
    ("getsid", &[0]),
    ("kcmp", &[0, 1]),
    ("kill", &[0]),
    ("migrate_pages", &[0]),
    ("move_pages", &[0]),
    ("perf_event_open", &[1]),
    ("pidfd_open", &[0]),
    ("prlimit64", &[0]),
    ("process_vm_readv", &[0]),
    ("process_vm_writev", &[0]),
    ("ptrace", &[1]),
    ("rt_sigqueueinfo", &[0]),
    ("rt_tgsigqueueinfo", &[0, 1]),
    ("sched_getaffinity", &[0]),
    ("sched_getattr", &[0]),
    ("sched_getparam", &[0]),
    ("sched_getscheduler", &[0]),
    ("sched_rr_get_interval", &[0]),
    ("sched_setaffinity", &[0]),
    ("sched_setattr", &[0]),
    ("sched_setparam", &[0]),
    ("sched_setscheduler", &[0]),
    ("setpgid", &[0, 1]),
    ("tgkill", &[0, 1]),
    ("tkill", &[0]),
    ("wait4", &[0]),
];

/// Calls that return such an id, of one that is there when they do.
static RESULTS: [&str; 11] = [
    "clone",
    "clone3",
    "fork",
    "getpgid",
    "getpgrp",
    "getpid",
    "getppid",
    "getsid",
    "gettid",
    "set_tid_address",
    "vfork",
];

impl Printer<'_> {
    /// The id of a process or thread, and its name where that is asked for.
    pub(super) fn process_id(&mut self, id: i32) {
        put!(self, "{id}");
        self.process_name(id);
    }

    /// Adds the name after an argument, if that is an id.
    pub(super) fn name_argument(&mut self, call: &str, index: usize) {
        let of_call = ARGUMENTS.iter().find(|(name, _)| *name == call);
        if of_call.is_some_and(|(_, indices)| indices.contains(&index)) {
            self.process_name(self.arg(index) as i32);
        }
    }

    /// Adds the name after a result, if that is an id.
    pub(super) fn name_result(&mut self, call: &str, ret: i64) {
        if RESULTS.contains(&call) {
            self.process_name(i32::try_from(ret).unwrap_or(0));
        }
    }

    fn process_name(&mut self, id: i32) {
        let Some(names) = self.thread_names else {
            return;
        };
        let id = u32::try_from(id).ok().filter(|id| *id > 0);
        if let Some(name) = id.and_then(|id| names.of_any(id)) {
            put!(self, "<{name}>");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{SyscallEnter, SyscallExit};
    use crate::syscall::print::{DecodeOptions, Decoder};
    use crate::syscall::table;

    #[test]
    fn every_call_there_is_one() {
        let arguments = ARGUMENTS.iter().map(|(name, _)| *name);
        for name in arguments.chain(RESULTS) {
            // The oldest calls are not everywhere.
            let is_old = ["fork", "vfork", "getpgrp"].contains(&name);
            assert!(is_old || table::by_name(name).is_some(), "{name}");
        }
    }

    #[test]
    fn names_stand_after_ids_that_are_known() {
        // No thread has such ids (`PID_MAX_LIMIT` is 2^22).
        let (known, unknown) = (1_u64 << 30, 1_u64 << 29);
        let mut decoder = Decoder::with_options(DecodeOptions {
            thread_names: true,
            ..DecodeOptions::default()
        });
        decoder.thread_names().learn(known as u32, "worker");
        let nr = |name| table::by_name(name).expect(name);
        let enter = SyscallEnter {
            nr: nr("tgkill"),
            args: [unknown, known, 10, 0, 0, 0],
            ..SyscallEnter::default()
        };
        let text = format!("tgkill({unknown}, {known}<worker>, SIGUSR1");
        assert_eq!(decoder.begin(&enter), text);
        let exit = SyscallExit {
            nr: nr("gettid"),
            ret: known as i64,
            ..SyscallExit::default()
        };
        assert_eq!(decoder.result(None, &exit), format!("{known}<worker>"));
        let mut info = [0; 48];
        info[..4].copy_from_slice(&10_u32.to_ne_bytes());
        info[16..20].copy_from_slice(&(known as u32).to_ne_bytes());
        let signal = decoder.signal(10, Some(&info));
        assert!(
            signal.contains(&format!("si_pid={known}<worker>, ")),
            "{signal}"
        );
        decoder.thread_names().forget(known as u32);
        assert_eq!(decoder.result(None, &exit), known.to_string());
    }
}
