//! System V IPC: `ipc.h`, `shm.h`, `msg.h`, `sem.h`.

use super::Names;

pub static SHMCTL: Names = Names {
    zero: None,
    unknown: "SHM_???",
    names: &[
        (0, "IPC_RMID"),
        (1, "IPC_SET"),
        (2, "IPC_STAT"),
        (3, "IPC_INFO"),
        (0xb, "SHM_LOCK"),
        (0xc, "SHM_UNLOCK"),
        (0xd, "SHM_STAT"),
        (0xe, "SHM_INFO"),
        (0xf, "SHM_STAT_ANY"),
    ],
};

pub static MSGCTL: Names = Names {
    zero: None,
    unknown: "MSG_???",
    names: &[
        (0, "IPC_RMID"),
        (1, "IPC_SET"),
        (2, "IPC_STAT"),
        (3, "IPC_INFO"),
        (0xb, "MSG_STAT"),
        (0xc, "MSG_INFO"),
        (0xd, "MSG_STAT_ANY"),
    ],
};

pub static SEMCTL: Names = Names {
    zero: None,
    unknown: "SEM_???",
    names: &[
        (0, "IPC_RMID"),
        (1, "IPC_SET"),
        (2, "IPC_STAT"),
        (3, "IPC_INFO"),
        (0xb, "GETPID"),
        (0xc, "GETVAL"),
        (0xd, "GETALL"),
        (0xe, "GETNCNT"),
        (0xf, "GETZCNT"),
        (0x10, "SETVAL"),
        (0x11, "SETALL"),
        (0x12, "SEM_STAT"),
        (0x13, "SEM_INFO"),
        (0x14, "SEM_STAT_ANY"),
    ],
};

pub static MSGFLG: Names = Names {
    zero: None,
    unknown: "MSG_???",
    names: &[
        (0x1000, "MSG_NOERROR"),
        (0x2000, "MSG_EXCEPT"),
        (0x4000, "MSG_COPY"),
        (0x800, "IPC_NOWAIT"),
    ],
};

pub static SHMGET: Names = Names {
    zero: None,
    unknown: "",
    names: &[
        (0x200, "IPC_CREAT"),
        (0x400, "IPC_EXCL"),
        (0x800, "SHM_HUGETLB"),
        (0x1000, "SHM_NORESERVE"),
    ],
};

pub static IPCGET: Names = Names {
    zero: None,
    unknown: "",
    names: &[
        (0x200, "IPC_CREAT"),
        (0x400, "IPC_EXCL"),
        (0x800, "IPC_NOWAIT"),
    ],
};

pub static SEM_FLAGS: Names = Names {
    zero: None,
    unknown: "SEM_???",
    names: &[(0x1000, "SEM_UNDO"), (0x800, "IPC_NOWAIT")],
};
