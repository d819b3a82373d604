pub mod go;
pub mod symbol;
pub mod syscall;
