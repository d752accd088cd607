//! Arguments, exit codes, printing.

mod analyze;
mod args;
mod arrivals;
mod bench;
mod bench_parts;
mod bench_table;
#[cfg(feature = "demo")]
mod demo;
mod doctor;
mod generate;
mod manual;
mod phantom;
mod print;
mod report;
mod run;
#[cfg(feature = "demo")]
mod station;
#[cfg(feature = "ward")]
mod ward;

#[cfg(feature = "onnxruntime")]
use crate::edge::accelerator::serve;
use crate::edge::{Failure, engine_options};
use crate::infer::EngineOptions;
use args::{Arguments, Command};
#[cfg(feature = "ward")]
use args::{AuditCommand, WardUserCommand};
use clap::Parser;
use std::process::ExitCode;

/// How a command ended. Source: docs/operating.md, "Exit codes".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Done; every series triaged.
    Done,
    /// The box failed.
    BoxFault,
    /// Wrong arguments or settings.
    Usage,
    /// At least one series was not triaged.
    NotTriaged,
}

impl From<Ending> for ExitCode {
    fn from(ending: Ending) -> ExitCode {
        ExitCode::from(match ending {
            Ending::Done => 0,
            Ending::BoxFault => 1,
            Ending::Usage => 2,
            Ending::NotTriaged => 3,
        })
    }
}

/// A command that could not do its work, and how it ends then.
struct Stopped {
    failure: Failure,
    ending: Ending,
}

impl Stopped {
    /// The arguments or settings are wrong.
    fn usage(failure: Failure) -> Stopped {
        Stopped {
            failure,
            ending: Ending::Usage,
        }
    }
}

impl From<Failure> for Stopped {
    fn from(failure: Failure) -> Stopped {
        Stopped {
            failure,
            ending: Ending::BoxFault,
        }
    }
}

/// The whole program.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // What the environment says of the engine is wrong for every command or for none.
    let ended = engine_options(EngineOptions::default())
        .map_err(Stopped::usage)
        .and_then(|_| ended(arguments));
    match ended {
        Ok(ending) => ending.into(),
        Err(stopped) => {
            print::failure(&stopped.failure);
            stopped.ending.into()
        }
    }
}

fn ended(arguments: Arguments) -> Result<Ending, Stopped> {
    match arguments.command {
        Some(Command::Run(run)) => run::run(&run, arguments.verbose),
        Some(Command::Analyze(analyze)) => analyze::run(&analyze),
        Some(Command::Phantom(phantom)) => phantom::run(&phantom),
        #[cfg(feature = "demo")]
        Some(Command::Demo(demo)) => demo::run(&demo, arguments.verbose),
        #[cfg(feature = "ward")]
        Some(Command::Ward(ward)) => ward::run(&ward, arguments.verbose),
        #[cfg(feature = "ward")]
        Some(Command::WardUser {
            command: WardUserCommand::Add(user),
        }) => ward::add_user(&user),
        #[cfg(feature = "ward")]
        Some(Command::Audit {
            command: AuditCommand::Verify { path },
        }) => ward::verify(&path),
        Some(Command::Doctor(doctor)) => doctor::run(&doctor),
        Some(Command::Bench(bench)) => bench::run(&bench),
        Some(Command::BenchArrivals(arrivals)) => arrivals::run(&arrivals),
        Some(Command::BenchService(service)) => bench::serve(&service),
        #[cfg(feature = "onnxruntime")]
        Some(Command::AcceleratorService { library }) => serve(&library)
            .map(|()| Ending::Done)
            .map_err(Stopped::from),
        Some(Command::BenchNetwork(network)) => bench_parts::network(&network),
        Some(Command::BenchInstructions(instructions)) => bench_parts::instructions(&instructions),
        Some(Command::Completions { shell }) => generate::completions(shell),
        Some(Command::Man) => generate::man(),
        None if arguments.version => generate::version(arguments.verbose),
        None => generate::help(),
    }
}
