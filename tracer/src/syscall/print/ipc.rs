//! System V IPC and POSIX message queues.

use crate::syscall::arg::{Custom, Form, Layout, Registers};
use crate::syscall::flags::{file, ipc, signal};

use super::fields::{As, Field};
use super::printer::{Phase, Printer, put};
use super::rule::{BOTH, ENTER, EXIT, at_word, data, fixed};
use super::struct_bytes::StructBytes;

/// Bit of a command that old C libraries set.
const IPC_64: u64 = 0x100;
const IPC_SET: u64 = 1;
const IPC_STAT: u64 = 2;
const IPC_INFO: u64 = 3;
/// `SHM_STAT`, `SHM_INFO`, `SHM_STAT_ANY`.
const SHM_STAT: u64 = 13;
const SHM_INFO: u64 = 14;
const SHM_STAT_ANY: u64 = 15;
/// `MSG_STAT`, `MSG_INFO`, `MSG_STAT_ANY`.
const MSG_STAT: u64 = 11;
const MSG_INFO: u64 = 12;
const MSG_STAT_ANY: u64 = 13;
/// `SEM_STAT`, `SEM_INFO`, `SEM_STAT_ANY`.
const SEM_STAT: u64 = 18;
const SEM_INFO: u64 = 19;
const SEM_STAT_ANY: u64 = 20;

fn command(value: u64) -> u64 {
    value & 0xffff_ffff & !IPC_64
}

fn print_command(p: &mut Printer<'_>, index: usize, names: &crate::syscall::flags::Names) {
    let value = p.arg(index) & 0xffff_ffff;
    if value & IPC_64 != 0 {
        p.text("IPC_64|");
    }
    p.name(names, command(value));
}

/// Command of `shmctl`.
pub static SHMCTL_COMMAND: Custom = Custom {
    form: Some(Form::Enum),
    print: |p, index| print_command(p, index, &ipc::SHMCTL),
    ..Custom::PLAIN
};

/// Command of `msgctl`.
pub static MSGCTL_COMMAND: Custom = Custom {
    form: Some(Form::Enum),
    print: |p, index| print_command(p, index, &ipc::MSGCTL),
    ..Custom::PLAIN
};

/// Command of `semctl`.
pub static SEMCTL_COMMAND: Custom = Custom {
    form: Some(Form::Enum),
    print: |p, index| print_command(p, index, &ipc::SEMCTL),
    ..Custom::PLAIN
};

/// Owner and mode in `struct ipc64_perm` (`asm-generic/ipcbuf.h`).
const PERM_SET: &[Field] = &[
    ("uid", 4, As::Id),
    ("gid", 8, As::Id),
    ("mode", 20, As::Octal32),
];
const PERM_STAT: &[Field] = &[
    ("uid", 4, As::Id),
    ("gid", 8, As::Id),
    ("mode", 20, As::Octal32),
    ("key", 0, As::U32),
    ("cuid", 12, As::Id),
    ("cgid", 16, As::Id),
];

/// `struct shmid64_ds` (`asm-generic/shmbuf.h`).
const SHM_STATE: &[Field] = &[
    ("shm_segsz", 48, As::U64),
    ("shm_cpid", 80, As::I32),
    ("shm_lpid", 84, As::I32),
    ("shm_nattch", 88, As::U64),
    ("shm_atime", 56, As::U64),
    ("shm_dtime", 64, As::U64),
    ("shm_ctime", 72, As::U64),
];
/// `struct shminfo64`.
const SHM_LIMITS: &[Field] = &[
    ("shmmax", 0, As::U64),
    ("shmmin", 8, As::U64),
    ("shmmni", 16, As::U64),
    ("shmseg", 24, As::U64),
    ("shmall", 32, As::U64),
];
/// `struct shm_info` (`linux/shm.h`).
const SHM_USAGE: &[Field] = &[
    ("used_ids", 0, As::I32),
    ("shm_tot", 8, As::U64),
    ("shm_rss", 16, As::U64),
    ("shm_swp", 24, As::U64),
    ("swap_attempts", 32, As::U64),
    ("swap_successes", 40, As::U64),
];
/// `struct msqid64_ds` (`asm-generic/msgbuf.h`).
const MSG_STATE: &[Field] = &[
    ("msg_stime", 48, As::U64),
    ("msg_rtime", 56, As::U64),
    ("msg_ctime", 64, As::U64),
    ("msg_qnum", 80, As::U64),
    ("msg_qbytes", 88, As::U64),
    ("msg_lspid", 96, As::I32),
    ("msg_lrpid", 100, As::I32),
];
/// `struct msginfo` (`linux/msg.h`).
const MSG_LIMITS: &[Field] = &[
    ("msgpool", 0, As::I32),
    ("msgmap", 4, As::I32),
    ("msgmax", 8, As::I32),
    ("msgmnb", 12, As::I32),
    ("msgmni", 16, As::I32),
    ("msgssz", 20, As::I32),
    ("msgtql", 24, As::I32),
    ("msgseg", 28, As::U16),
];
/// `struct semid64_ds` (`asm/sembuf.h` of x86: a hole after each time).
const SEM_STATE: &[Field] = &[
    ("sem_otime", 48, As::U64),
    ("sem_ctime", 64, As::U64),
    ("sem_nsems", 80, As::U64),
];
/// The same of other 64-bit architectures (`asm-generic/sembuf.h`).
const SEM_STATE_A64: &[Field] = &[
    ("sem_otime", 48, As::U64),
    ("sem_ctime", 56, As::U64),
    ("sem_nsems", 64, As::U64),
];
/// `struct seminfo` (`linux/sem.h`).
const SEM_LIMITS: &[Field] = &[
    ("semmap", 0, As::I32),
    ("semmni", 4, As::I32),
    ("semmns", 8, As::I32),
    ("semmnu", 12, As::I32),
    ("semmsl", 16, As::I32),
    ("semopm", 20, As::I32),
    ("semume", 24, As::I32),
    ("semusz", 28, As::I32),
    ("semvmx", 32, As::I32),
    ("semaem", 36, As::I32),
];

/// Buffer of `shmctl`.
pub static SHMCTL_BUFFER: Custom = Custom {
    rules: &[fixed(BOTH, 112)],
    at_exit: |args| stores(command(args[1]), &[SHM_STAT, SHM_INFO, SHM_STAT_ANY]),
    print: |p, index| match command(p.arg(1)) {
        IPC_SET => p.ipc_owner(index, "shm", &[]),
        IPC_STAT | SHM_STAT | SHM_STAT_ANY => p.ipc_state(index, "shm", SHM_STATE),
        IPC_INFO => p.ipc_record(index, SHM_LIMITS),
        SHM_INFO => p.ipc_record(index, SHM_USAGE),
        _ => p.address_of(index),
    },
    ..Custom::PLAIN
};

/// Buffer of `msgctl`.
pub static MSGCTL_BUFFER: Custom = Custom {
    rules: &[fixed(BOTH, 120)],
    at_exit: |args| stores(command(args[1]), &[MSG_STAT, MSG_INFO, MSG_STAT_ANY]),
    print: |p, index| match command(p.arg(1)) {
        IPC_SET => p.ipc_owner(index, "msg", &[("msg_qbytes", 88, As::U64)]),
        IPC_STAT | MSG_STAT | MSG_STAT_ANY => p.ipc_state(index, "msg", MSG_STATE),
        IPC_INFO | MSG_INFO => p.ipc_record(index, MSG_LIMITS),
        _ => p.address_of(index),
    },
    ..Custom::PLAIN
};

fn semctl_at_exit(args: &Registers) -> bool {
    stores(command(args[2]), &[SEM_STAT, SEM_INFO, SEM_STAT_ANY])
}

/// The fourth argument of `semctl`: a number or a buffer.
pub static SEMCTL_ARG: Custom = Custom {
    form: Some(Form::Any),
    rules: &[fixed(BOTH, 104)],
    at_exit: semctl_at_exit,
    print: |p, index| p.semctl_arg(index, SEM_STATE),
    ..Custom::PLAIN
};

/// [`SEMCTL_ARG`] of arm64.
pub static SEMCTL_ARG_A64: Custom = Custom {
    form: Some(Form::Any),
    rules: &[fixed(BOTH, 88)],
    at_exit: semctl_at_exit,
    print: |p, index| p.semctl_arg(index, SEM_STATE_A64),
    ..Custom::PLAIN
};

fn stores(command: u64, own: &[u64]) -> bool {
    matches!(command, IPC_STAT | IPC_INFO) || own.contains(&command)
}

/// `struct sembuf` (`linux/sem.h`).
pub static SEMBUF: Layout = Layout {
    size: 6,
    print: |p, b| {
        p.record(
            b,
            &[
                ("sem_num", 0, As::U16),
                ("sem_op", 2, As::I16),
                ("sem_flg", 4, As::Flags16(&ipc::SEM_FLAGS)),
            ],
        );
    },
};

/// `struct msgbuf` of `msgsnd`: a type, then text of the length in the next argument.
pub static MSGBUF_IN: Custom = Custom {
    rules: &[fixed(ENTER, 8), at_word(data(ENTER, 2), 1)],
    print: |p, index| p.message_text(Phase::Enter, index, p.arg(2)),
    ..Custom::PLAIN
};

/// `struct msgbuf` of `msgrcv`: strace shows as much text as there is room for.
pub static MSGBUF_OUT: Custom = Custom {
    rules: &[fixed(EXIT, 8), at_word(data(EXIT, 2), 1)],
    at_exit: |_| true,
    print: |p, index| p.message_text(Phase::Exit, index, p.arg(2)),
    ..Custom::PLAIN
};

/// `struct sigevent` (`asm-generic/siginfo.h`).
pub static SIGEVENT: Layout = Layout {
    size: 64,
    print: |p, b| {
        const SIGEV_SIGNAL: u32 = 0;
        const SIGEV_THREAD: u32 = 2;
        const SIGEV_THREAD_ID: u32 = 4;
        let notify = b.u32_at(12);
        p.text("{");
        // As strace does, only a value that is there.
        if b.u64_at(0) != 0 {
            p.text("sigev_value={");
            p.fields(
                b,
                &[("sival_int", 0, As::I32), ("sival_ptr", 0, As::Pointer)],
            );
            p.text("}, ");
        }
        let signal = match notify {
            SIGEV_SIGNAL | SIGEV_THREAD | SIGEV_THREAD_ID => As::Signal,
            _ => As::U32,
        };
        p.fields(
            b,
            &[
                ("sigev_signo", 8, signal),
                ("sigev_notify", 12, As::Name32(&signal::SIGEV)),
            ],
        );
        match notify {
            SIGEV_THREAD => p.more_fields(
                b,
                &[
                    ("sigev_notify_function", 16, As::Pointer),
                    ("sigev_notify_attributes", 24, As::Pointer),
                ],
            ),
            SIGEV_THREAD_ID => p.more_fields(b, &[("sigev_notify_thread_id", 16, As::I32)]),
            _ => {}
        }
        p.text("}");
    },
};

/// `struct mq_attr` (`linux/mqueue.h`) of `mq_open`, where no flag counts.
pub static MQ_ATTR_NEW: Layout = Layout {
    size: 64,
    print: |p, b| {
        p.text("{mq_flags=");
        p.hex(b.u64_at(0));
        p.more_fields(b, MQ_LIMITS);
        p.text("}");
    },
};

/// `struct mq_attr` of `mq_getsetattr`.
pub static MQ_ATTR_SET: Layout = Layout {
    size: 64,
    print: |p, b| {
        p.text("{mq_flags=");
        p.flags(&file::O_FLAGS, b.u64_at(0));
        p.more_fields(b, MQ_LIMITS);
        p.text("}");
    },
};

/// [`MQ_ATTR_SET`] of arm64.
pub static MQ_ATTR_SET_A64: Layout = Layout {
    size: 64,
    print: |p, b| {
        p.text("{mq_flags=");
        p.flags(&file::O_FLAGS_A64, b.u64_at(0));
        p.more_fields(b, MQ_LIMITS);
        p.text("}");
    },
};

const MQ_LIMITS: &[Field] = &[
    ("mq_maxmsg", 8, As::I64),
    ("mq_msgsize", 16, As::I64),
    ("mq_curmsgs", 24, As::I64),
];

impl Printer<'_> {
    fn ipc_record(&mut self, index: usize, fields: &[Field]) {
        match self.bytes(Phase::Exit, index, 1) {
            Some(b) => self.record(b, fields),
            None => self.address_of(index),
        }
    }

    fn ipc_owner(&mut self, index: usize, family: &str, more: &[Field]) {
        match self.bytes(Phase::Enter, index, 48) {
            Some(b) => self.ipc_fields(b, family, PERM_SET, more),
            None => self.address_of(index),
        }
    }

    fn ipc_state(&mut self, index: usize, family: &str, more: &[Field]) {
        match self.bytes(Phase::Exit, index, 48) {
            Some(b) => self.ipc_fields(b, family, PERM_STAT, more),
            None => self.address_of(index),
        }
    }

    fn ipc_fields(&mut self, b: &[u8], family: &str, owner: &[Field], more: &[Field]) {
        put!(self, "{{{family}_perm=");
        self.record(b, owner);
        self.more_fields(b, more);
        self.text("}");
    }

    fn semctl_arg(&mut self, index: usize, state: &[Field]) {
        match command(self.arg(2)) {
            IPC_SET => self.ipc_owner(index, "sem", &[]),
            IPC_STAT | SEM_STAT | SEM_STAT_ANY => self.ipc_state(index, "sem", state),
            IPC_INFO | SEM_INFO => self.ipc_record(index, SEM_LIMITS),
            _ => self.address_of(index),
        }
    }

    fn message_text(&mut self, phase: Phase, index: usize, len: u64) {
        let Some(kind) = self.bytes(phase, index, 8).map(|b| b.i64_at(0)) else {
            return self.address_of(index);
        };
        put!(self, "{{mtype={kind}, mtext=");
        match self.capture(phase, index, 1) {
            Some(text) => self.string(&text.data, len),
            None => self.pointer(self.arg(index).wrapping_add(8)),
        }
        self.text("}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_lose_the_bit_of_old_libraries() {
        assert_eq!(command(0x102), IPC_STAT);
        assert_eq!(command(0xffff_ffff_0000_0001), IPC_SET);
    }
}
