//! The `unwrite` program; everything is in the library.

fn main() -> std::process::ExitCode {
    unwrite::cli::main()
}
