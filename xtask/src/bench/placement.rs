//! Which CPU a process runs on, and at which priority.

use std::fs;
use std::mem;

use anyhow::{Context, Result, bail};

/// Priority of everything that is measured: above all ordinary processes.
const PRIORITY: libc::c_int = 10;

/// CPUs the two sides of a measurement run on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placement {
    /// CPU of the tracing tool.
    pub(super) tool_cpu: usize,
    /// CPU of the workload; the same as `tool_cpu` when this process may use only one.
    pub(super) workload_cpu: usize,
    /// Whether real-time priorities are permitted here.
    pub(super) real_time: bool,
}

impl Placement {
    /// The first and the last CPU this process may run on.
    ///
    /// # Errors
    /// The kernel does not say which these are.
    pub(super) fn find() -> Result<Self> {
        let cpus = allowed_cpus()?;
        let (Some(&tool_cpu), Some(&workload_cpu)) = (cpus.first(), cpus.last()) else {
            bail!("no CPU is allowed to this process: see its cpuset");
        };
        Ok(Self {
            tool_cpu,
            workload_cpu,
            real_time: real_time_is_permitted(),
        })
    }

    /// Puts all threads of the workload `pid` on its CPU.
    pub(super) fn place_workload(self, pid: u32) -> Result<()> {
        self.place(pid, self.workload_cpu, libc::SCHED_FIFO, PRIORITY)
    }

    /// Puts all threads of the tool `pid` on its CPU, or on the workload's.
    ///
    /// Threads of one tool may wait for each other by spinning (`perf record` does at its end),
    /// which never ends under SCHED_FIFO on one CPU: tools get SCHED_RR, of the same priority.
    pub(super) fn place_tool(self, pid: u32, on_workload_cpu: bool) -> Result<()> {
        if on_workload_cpu {
            return self.place(pid, self.workload_cpu, libc::SCHED_RR, PRIORITY);
        }
        self.place(pid, self.tool_cpu, libc::SCHED_RR, PRIORITY)
    }

    /// Puts all threads of the client `pid` on the CPU that the service does not have, above the
    /// tools: what it measures is the service, not how busy a tool is.
    pub(super) fn place_client(self, pid: u32) -> Result<()> {
        self.place(pid, self.tool_cpu, libc::SCHED_FIFO, PRIORITY + 1)
    }

    /// Puts all present threads of `pid` on `cpu`, at the real-time priority where permitted.
    /// Threads they create later inherit both.
    ///
    /// # Errors
    /// There is no such process, or the kernel refuses.
    fn place(self, pid: u32, cpu: usize, policy: libc::c_int, priority: libc::c_int) -> Result<()> {
        let tasks = format!("/proc/{pid}/task");
        let list = fs::read_dir(&tasks).with_context(|| format!("cannot list {tasks}"))?;
        for entry in list.flatten() {
            let Ok(tid) = entry.file_name().to_string_lossy().parse() else {
                continue;
            };
            set_affinity(tid, cpu)?;
            if self.real_time {
                set_policy(tid, policy, priority)?;
            }
        }
        Ok(())
    }
}

fn allowed_cpus() -> Result<Vec<usize>> {
    // SAFETY: cpu_set_t is plain bits; all zero is the empty set.
    let mut set: libc::cpu_set_t = unsafe { mem::zeroed() };
    // SAFETY: the kernel writes at most the given size into `set`, which lives here.
    let status = unsafe { libc::sched_getaffinity(0, mem::size_of_val(&set), &raw mut set) };
    os_result(status).context("sched_getaffinity")?;
    let last = usize::try_from(libc::CPU_SETSIZE).unwrap_or(0);
    // SAFETY: `cpu` is below CPU_SETSIZE, the number of bits of `set`.
    let is_set = |cpu: &usize| unsafe { libc::CPU_ISSET(*cpu, &set) };
    Ok((0..last).filter(is_set).collect())
}

fn set_affinity(tid: libc::pid_t, cpu: usize) -> Result<()> {
    // SAFETY: as in allowed_cpus.
    let mut set: libc::cpu_set_t = unsafe { mem::zeroed() };
    // SAFETY: `cpu` came from allowed_cpus and is below CPU_SETSIZE.
    unsafe { libc::CPU_SET(cpu, &mut set) };
    // SAFETY: the kernel reads `set`, which lives here, up to the given size.
    let status = unsafe { libc::sched_setaffinity(tid, mem::size_of_val(&set), &raw const set) };
    os_result(status).with_context(|| format!("cannot put task {tid} on CPU {cpu}"))
}

fn set_policy(tid: libc::pid_t, policy: libc::c_int, priority: libc::c_int) -> Result<()> {
    // SAFETY: sched_param is plain integers, for which zero is a value.
    let mut parameter: libc::sched_param = unsafe { mem::zeroed() };
    parameter.sched_priority = priority;
    // SAFETY: the kernel only reads `parameter`, which lives here.
    let status = unsafe { libc::sched_setscheduler(tid, policy, &raw const parameter) };
    os_result(status).with_context(|| format!("cannot change how task {tid} is scheduled"))
}

/// Tries it on a thread that does nothing else.
fn real_time_is_permitted() -> bool {
    // 0 is the calling thread.
    let attempt = || set_policy(0, libc::SCHED_FIFO, PRIORITY).is_ok();
    std::thread::spawn(attempt).join().unwrap_or(false)
}

fn os_result(status: libc::c_int) -> std::io::Result<()> {
    if status == 0 {
        Ok(())
    } else {
        Err(std::io::Error::last_os_error())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_moved_to_the_workloads_cpu() {
        let placement = Placement {
            real_time: false,
            ..Placement::find().expect("CPUs")
        };
        let mut child = std::process::Command::new("sleep")
            .arg("10")
            .spawn()
            .expect("sleep");
        placement.place_workload(child.id()).expect("placed");
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).expect("status");
        child.kill().expect("kill");
        child.wait().expect("wait");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("Cpus_allowed_list:"))
            .expect("a line with its CPUs");
        assert_eq!(line.trim(), placement.workload_cpu.to_string());
    }
}
