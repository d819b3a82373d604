//! Keeps other threads from running on this CPU while a map is used.
//!
//! While a thread is in a `bpf` system call on a map, the kernel runs no program for a perf event
//! on that CPU (`bpf_disable_instrumentation`, include/linux/bpf.h): should the thread be preempted
//! there, what the others do until it runs again is left out. Real-time threads are not preempted
//! by ordinary ones.

/// This thread as a real-time one, until dropped.
#[derive(Debug)]
pub(super) struct Undisturbed {
    policy: libc::c_int,
}

impl Undisturbed {
    /// From now on; `None` when the thread is one already, or may not be one (`CAP_SYS_NICE`).
    pub(super) fn begin() -> Option<Self> {
        // SAFETY: no pointers are passed; 0 is this thread.
        let policy = unsafe { libc::sched_getscheduler(0) };
        let ordinary = [libc::SCHED_OTHER, libc::SCHED_BATCH, libc::SCHED_IDLE];
        (ordinary.contains(&policy) && set(libc::SCHED_FIFO, 1)).then_some(Self { policy })
    }
}

impl Drop for Undisturbed {
    fn drop(&mut self) {
        // Going back is always allowed; the nice value was kept.
        set(self.policy, 0);
    }
}

/// Sets the policy of this thread; whether that was allowed.
fn set(policy: libc::c_int, priority: libc::c_int) -> bool {
    // SAFETY: all fields are numbers; some libraries have more than the priority.
    let mut param: libc::sched_param = unsafe { std::mem::zeroed() };
    param.sched_priority = priority;
    // SAFETY: the parameter is valid for the call; 0 is this thread.
    unsafe { libc::sched_setscheduler(0, policy, &raw const param) == 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> libc::c_int {
        // SAFETY: as above.
        unsafe { libc::sched_getscheduler(0) }
    }

    #[test]
    fn the_policy_is_put_back() {
        let before = policy();
        match Undisturbed::begin() {
            Some(undisturbed) => {
                assert_eq!(policy(), libc::SCHED_FIFO);
                assert!(Undisturbed::begin().is_none(), "the first goes on");
                assert_eq!(policy(), libc::SCHED_FIFO);
                drop(undisturbed);
            }
            None => eprintln!("skipped: not allowed to be a real-time thread"),
        }
        assert_eq!(policy(), before);
    }
}
