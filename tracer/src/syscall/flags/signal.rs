//! Signals: `signal.h`, `siginfo.h`.

use super::Names;

pub static SIGHOW: Names = Names {
    zero: None,
    unknown: "SIG_???",
    names: &[(0, "SIG_BLOCK"), (1, "SIG_UNBLOCK"), (2, "SIG_SETMASK")],
};

pub static SIGACTION: Names = Names {
    zero: None,
    unknown: "SA_???",
    names: &[
        (0x4000000, "SA_RESTORER"),
        (0x8000000, "SA_ONSTACK"),
        (0x10000000, "SA_RESTART"),
        (1, "SA_NOCLDSTOP"),
        (2, "SA_NOCLDWAIT"),
        (4, "SA_SIGINFO"),
        (0x40000000, "SA_NODEFER"),
        (0x80000000, "SA_RESETHAND"),
        (0x400, "SA_UNSUPPORTED"),
        (0x800, "SA_EXPOSE_TAGBITS"),
    ],
};

pub static SIGALTSTACK: Names = Names {
    zero: None,
    unknown: "SS_???",
    names: &[
        (1, "SS_ONSTACK"),
        (2, "SS_DISABLE"),
        (0x80000000, "SS_AUTODISARM"),
    ],
};

pub static SI: Names = Names {
    zero: None,
    unknown: "",
    names: &[
        (0, "SI_USER"),
        (0x80, "SI_KERNEL"),
        (0xffffffffffffffff, "SI_QUEUE"),
        (0xfffffffffffffffe, "SI_TIMER"),
        (0xfffffffffffffffd, "SI_MESGQ"),
        (0xfffffffffffffffc, "SI_ASYNCIO"),
        (0xfffffffffffffffb, "SI_SIGIO"),
        (0xfffffffffffffffa, "SI_TKILL"),
        (0xfffffffffffffff9, "SI_DETHREAD"),
        (0xffffffffffffffc4, "SI_ASYNCNL"),
    ],
};

pub static CLD: Names = Names {
    zero: None,
    unknown: "",
    names: &[
        (1, "CLD_EXITED"),
        (2, "CLD_KILLED"),
        (3, "CLD_DUMPED"),
        (4, "CLD_TRAPPED"),
        (5, "CLD_STOPPED"),
        (6, "CLD_CONTINUED"),
    ],
};

pub static SEGV: Names = Names {
    zero: None,
    unknown: "",
    names: &[
        (1, "SEGV_MAPERR"),
        (2, "SEGV_ACCERR"),
        (3, "SEGV_BNDERR"),
        (4, "SEGV_PKUERR"),
        (5, "SEGV_ACCADI"),
        (6, "SEGV_ADIDERR"),
        (7, "SEGV_ADIPERR"),
        (8, "SEGV_MTEAERR"),
        (9, "SEGV_MTESERR"),
    ],
};

pub static BUS: Names = Names {
    zero: None,
    unknown: "",
    names: &[
        (1, "BUS_ADRALN"),
        (2, "BUS_ADRERR"),
        (3, "BUS_OBJERR"),
        (4, "BUS_MCEERR_AR"),
        (5, "BUS_MCEERR_AO"),
    ],
};

pub static ILL: Names = Names {
    zero: None,
    unknown: "",
    names: &[
        (1, "ILL_ILLOPC"),
        (2, "ILL_ILLOPN"),
        (3, "ILL_ILLADR"),
        (4, "ILL_ILLTRP"),
        (5, "ILL_PRVOPC"),
        (6, "ILL_PRVREG"),
        (7, "ILL_COPROC"),
        (8, "ILL_BADSTK"),
    ],
};

pub static FPE: Names = Names {
    zero: None,
    unknown: "",
    names: &[
        (1, "FPE_INTDIV"),
        (2, "FPE_INTOVF"),
        (3, "FPE_FLTDIV"),
        (4, "FPE_FLTOVF"),
        (5, "FPE_FLTUND"),
        (6, "FPE_FLTRES"),
        (7, "FPE_FLTINV"),
        (8, "FPE_FLTSUB"),
    ],
};

pub static TRAP: Names = Names {
    zero: None,
    unknown: "",
    names: &[
        (1, "TRAP_BRKPT"),
        (2, "TRAP_TRACE"),
        (3, "TRAP_BRANCH"),
        (4, "TRAP_HWBKPT"),
        (5, "TRAP_UNK"),
        (6, "TRAP_PERF"),
    ],
};

pub static POLL_SI: Names = Names {
    zero: None,
    unknown: "",
    names: &[
        (1, "POLL_IN"),
        (2, "POLL_OUT"),
        (3, "POLL_MSG"),
        (4, "POLL_ERR"),
        (5, "POLL_PRI"),
        (6, "POLL_HUP"),
    ],
};

pub static SYS_SI: Names = Names {
    zero: None,
    unknown: "",
    names: &[(1, "SYS_SECCOMP"), (2, "SYS_USER_DISPATCH")],
};

pub static SIGEV: Names = Names {
    zero: None,
    unknown: "SIGEV_???",
    names: &[
        (0, "SIGEV_SIGNAL"),
        (1, "SIGEV_NONE"),
        (2, "SIGEV_THREAD"),
        (4, "SIGEV_THREAD_ID"),
    ],
};
