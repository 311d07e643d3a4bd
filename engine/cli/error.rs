//! What a user reads when something cannot be done: one sentence, its cause, and a hint.

use std::fmt;
use std::process::ExitCode;

use brigade_core::ErrorKind;
use brigade_core::report::RunOutcome;
use brigade_pipeline::Fatal;
use brigade_store::StoreError;

/// Exit code of everything that could not run: usage, configuration, credentials, unreachable.
pub const COULD_NOT_RUN: u8 = 2;

/// An error that ends the command.
#[derive(Debug)]
pub struct CliError {
    what: String,
    cause: Option<String>,
    hint: Option<String>,
    is_held: bool,
    outcome: RunOutcome,
}

impl CliError {
    /// `what` failed because of `cause`.
    pub fn new(what: impl Into<String>, cause: impl fmt::Display) -> Self {
        Self { what: what.into(), cause: Some(without_number(cause.to_string())), hint: None, is_held: false, outcome: RunOutcome::Failed }
    }

    /// A sentence that needs no cause.
    pub fn plain(what: impl Into<String>) -> Self {
        Self { what: what.into(), cause: None, hint: None, is_held: false, outcome: RunOutcome::Failed }
    }

    /// A store's error, with the hint of its kind.
    pub fn store(what: impl Into<String>, error: &StoreError) -> Self {
        Self::new(what, &error.message).hint(error.kind.hint())
    }

    /// Why a run stopped. The engine's own refusals say in a second sentence what to do; everything else has the hint of its kind.
    pub fn fatal(fatal: &Fatal, source: &str, target: &str) -> Self {
        let what = match fatal.what.as_str() {
            what if what.ends_with("the source") => format!("{what} {source}"),
            what if what.ends_with("the target") => format!("{what} {target}"),
            what => format!("{what} ({source} -> {target})"),
        };
        let own = matches!(fatal.kind, ErrorKind::Conflict | ErrorKind::Cancelled | ErrorKind::Unsupported);
        match fatal.message.split_once(". ").filter(|_| own) {
            Some((cause, todo)) => Self::new(what, cause).hint(begin_small(todo)),
            None if fatal.message.contains("--max-errors") => {
                Self::new(what, &fatal.message).hint("mend what failed or raise --max-errors, then give the same command again")
            }
            None if fatal.message.contains("--max-delete") => {
                Self::new(what, &fatal.message).hint("look at `brigade plan` and raise the limit if this is right")
            }
            None if own => Self::new(what, &fatal.message),
            None => Self::new(what, &fatal.message).hint(fatal.kind.hint()),
        }
    }

    /// What to do about it.
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// It is how a run ended, in another way than failing.
    pub fn ended(self, outcome: RunOutcome) -> Self {
        Self { outcome, ..self }
    }

    /// How a run ended that ended with this.
    pub fn outcome(&self) -> RunOutcome {
        self.outcome
    }

    /// Another process has what it takes.
    pub fn held(self) -> Self {
        Self { is_held: true, ..self }
    }

    /// Whether another process has what it takes, so that nothing was tried.
    pub fn is_held(&self) -> bool {
        self.is_held
    }

    /// The sentence and its cause.
    pub fn sentence(&self) -> String {
        match &self.cause {
            Some(cause) => format!("{}: {cause}", self.what),
            None => self.what.clone(),
        }
    }

    /// What to do about it, where that is known.
    pub fn todo(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Prints the error and gives the exit code of everything that could not run.
    pub fn show(&self) -> ExitCode {
        eprintln!("{self}");
        ExitCode::from(COULD_NOT_RUN)
    }
}

/// A cause without the number that the operating system gives it: the words before it say the same.
fn without_number(cause: String) -> String {
    match cause.rfind(" (os error ") {
        Some(at) if cause.ends_with(')') => cause[..at].to_owned(),
        _ => cause,
    }
}

/// A sentence as a hint: hints begin in lower case.
fn begin_small(sentence: &str) -> String {
    let mut letters = sentence.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.sentence())?;
        if let Some(hint) = &self.hint {
            write!(f, "\nhint: {hint}")?;
        }
        Ok(())
    }
}
