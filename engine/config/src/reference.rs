//! `docs/CONFIG.md`, made from the table of keys.

use std::fmt::Write;

use crate::keys::{ALL, Form, Table};

/// The page.
pub fn reference() -> String {
    let mut page = String::from(OPENING);
    for table in ALL {
        // Writing to a string cannot fail.
        let _ = section(&mut page, table);
    }
    page.push_str(CLOSING);
    page
}

fn section(page: &mut String, table: &Table) -> std::fmt::Result {
    let title = if table.header.is_empty() { "The file".to_owned() } else { format!("`{}`", table.header) };
    writeln!(page, "## {title}\n\n{}\n", table.about)?;
    writeln!(page, "| key | does | value |\n| --- | --- | --- |")?;
    for key in table.keys {
        let option = if key.option.is_empty() { String::new() } else { format!(" (`{}`)", key.option) };
        let form = if key.form == Form::Table { "a table".to_owned() } else { key.form.shown() };
        writeln!(page, "| `{}` | {}{option} | {} |", key.name, key.does.replace('|', "\\|"), form.replace('|', "\\|"))?;
    }
    writeln!(page)
}

const OPENING: &str = "# The configuration

<!-- Made by the configuration's own table of keys; do not edit. Anew: BRIGADE_REGENERATE=1 cargo test -p brigade-config --test reference -->

`brigade.toml` is found by `--config FILE`, `$BRIGADE_CONFIG`, `./brigade.toml`, then `brigade/brigade.toml` in the user's configuration directory.
`brigade config check` finds every problem of a file at once, each with its line; `brigade config show` prints what was understood, without secrets.
A key that is not known is refused. Names are letters, digits, `-`, `_` and `.`.

Secrets never stand in the file: where a table below says `${VARIABLE}`, the value of that variable is taken when it is needed.
Everywhere else `${` is refused.

`brigade run` keeps what a job says of its transfer, `after`, `ready_when` and the limits of its tenant; `status` and
`config check` reckon with schedules and recovery points. `brigade serve` starts jobs when they are due, and keeps `jitter`, `priority`, `paused`, `[serve]`,
`[notifications]` and what a tenant says of its jobs together.

";

const CLOSING: &str = "## Local time

A `schedule` names local times of its `time_zone`.

- A local time that does not exist, because the clocks are put forward over it, fires once, at the first instant after the gap.
- A local time that exists twice fires once, at the first. A schedule whose hour is `*` names no hour, and fires in both.
- Where neither the day of the month nor the day of the week begins with `*`, a day matches if either does.
- What was missed, because the process was down, the job was paused or its last run took too long, is caught up with once.
- Nothing fires twice, also where the clock is put back.

## Recovery points

The age of a copy is the time since the beginning of the last listing of which everything is proven at the target: a version that came to be
later may be missing. A key that failed keeps the age that it had until it is proven. `min_age` adds to it. A job that never had a run that dealt
with everything, or a clock that stands before the last proof, counts as a breach.

`brigade config check` refuses a schedule that cannot meet its recovery point even when every run is clean:
the longest gap of a year, with the nights in which clocks are put back, and the jitter, and the longest run that was measured.
";
