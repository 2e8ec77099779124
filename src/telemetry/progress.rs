//! Progress of a bounded piece of work: a bar on a terminal, a line for each tenth elsewhere.
//! Always on standard error.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{IsTerminal, Write};

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Bytes of files.
    Bytes,
    /// Events.
    Events,
    /// Epochs.
    Epochs,
}

/// Progress of one piece of work.
pub struct ProgressMeter {
    shown: Shown,
}

enum Shown {
    Bar(ProgressBar),
    Lines(Lines),
    Nothing,
}

impl ProgressMeter {
    /// Starts to show progress towards `total`.
    pub fn start(label: &'static str, unit: Unit, total: u64) -> Self {
        let shown = if std::io::stderr().is_terminal() {
            Shown::Bar(bar(label, unit, total))
        } else {
            Shown::Lines(Lines { label, unit, total, tenths: 0, out: Box::new(std::io::stderr()) })
        };
        ProgressMeter { shown }
    }

    /// Shows nothing: for processes other than the first.
    pub fn silent() -> Self {
        ProgressMeter { shown: Shown::Nothing }
    }

    /// So much of the total is done.
    pub fn set(&mut self, done: u64) {
        match &mut self.shown {
            Shown::Bar(bar) => bar.set_position(done),
            Shown::Lines(lines) => lines.set(done),
            Shown::Nothing => {}
        }
    }

    /// The total turns out to be another.
    pub fn expect(&mut self, total: u64) {
        match &mut self.shown {
            Shown::Bar(bar) => bar.set_length(total),
            Shown::Lines(lines) => lines.total = total,
            Shown::Nothing => {}
        }
    }

    /// Everything is done.
    pub fn finish(mut self) {
        match &mut self.shown {
            Shown::Bar(bar) => bar.finish(),
            Shown::Lines(lines) => lines.set(lines.total),
            Shown::Nothing => {}
        }
    }
}

fn bar(label: &'static str, unit: Unit, total: u64) -> ProgressBar {
    let template = match unit {
        Unit::Bytes => "{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}",
        Unit::Events | Unit::Epochs => "{msg} {wide_bar} {human_pos}/{human_len} {per_sec} {eta}",
    };
    let style =
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr_with_hz(10))
        .with_style(style)
        .with_message(label)
}

/// Plain lines, one for each tenth that is reached.
struct Lines {
    label: &'static str,
    unit: Unit,
    total: u64,
    tenths: u64,
    out: Box<dyn Write + Send>,
}

impl Lines {
    fn set(&mut self, done: u64) {
        let done = done.min(self.total);
        let tenths = (u128::from(done) * 10)
            .checked_div(u128::from(self.total))
            .map_or(10, |tenths| tenths as u64);
        if tenths > self.tenths {
            self.tenths = tenths;
            let unit = match self.unit {
                Unit::Bytes => "bytes",
                Unit::Events => "events",
                Unit::Epochs => "epochs",
            };
            // Progress is a courtesy: a closed standard error must not end the work.
            let _ = writeln!(
                self.out,
                "{}: {}0 % ({done} of {} {unit})",
                self.label, tenths, self.total
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Captured(Arc<Mutex<Vec<u8>>>);

    impl Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("no other holder panics").write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn lines(total: u64, steps: &[u64]) -> String {
        let captured = Captured::default();
        let shown = Shown::Lines(Lines {
            label: "reading",
            unit: Unit::Bytes,
            total,
            tenths: 0,
            out: Box::new(captured.clone()),
        });
        let mut progress = ProgressMeter { shown };
        steps.iter().for_each(|done| progress.set(*done));
        progress.finish();
        String::from_utf8(captured.0.lock().expect("no other holder panics").clone()).expect("text")
    }

    #[test]
    fn a_line_is_written_for_each_tenth_reached() {
        let expected = "reading: 10 % (150 of 1000 bytes)\nreading: 50 % (599 of 1000 \
            bytes)\nreading: 100 % (1000 of 1000 bytes)\n";
        assert_eq!(lines(1000, &[0, 99, 150, 160, 599]), expected);
    }

    #[test]
    fn a_total_may_turn_out_to_be_smaller() {
        let captured = Captured::default();
        let shown = Shown::Lines(Lines {
            label: "reading",
            unit: Unit::Events,
            total: 20,
            tenths: 0,
            out: Box::new(captured.clone()),
        });
        let mut progress = ProgressMeter { shown };
        progress.set(5);
        progress.expect(10);
        progress.set(6);
        progress.finish();
        let text = String::from_utf8(captured.0.lock().expect("no other holder panics").clone())
            .expect("text");
        assert_eq!(
            text,
            "reading: 20 % (5 of 20 events)\nreading: 60 % (6 of 10 events)\nreading: 100 % (10 of \
             10 events)\n"
        );
    }

    #[test]
    fn nothing_to_do_is_done_at_once() {
        assert_eq!(lines(0, &[0]), "reading: 100 % (0 of 0 bytes)\n");
    }
}
