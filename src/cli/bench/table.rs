//! The table of what was measured, as text and as JSON.

use super::BenchArgs;
use crate::cli::thousands::grouped;
use crate::jobs::bench::live::INTERVAL;
use serde_json::{Value, json};
use world::bench::live::Live;
use world::bench::{Measured, Report};

impl BenchArgs {
    pub(super) fn to_text(&self, report: &Report) -> String {
        let heading = format!(
            "{}\n{} purchases and {} interactions, seed {}; the least and the median of the runs\n",
            report.machine.describe(),
            grouped(self.transactions),
            grouped(self.interactions),
            self.seed,
        );
        let columns = format!(
            "{:>9} {:>7} {:>4} {:>10}   {:^15}   {:^15} {:>10} {:>8} {:>8}",
            "customers",
            "workers",
            "runs",
            "events",
            "CPU us/event",
            "wall s",
            "events/s",
            "peak MB",
            "speed-up"
        );
        let rows = report.measured.iter().map(|measured| row(report, measured));
        [heading, columns]
            .into_iter()
            .chain(rows)
            .chain([String::new(), live_text(report.live.as_ref())])
            .collect::<Vec<_>>()
            .join("\n")
    }

    pub(super) fn to_json(&self, report: &Report) -> Value {
        let measured: Vec<Value> =
            report.measured.iter().map(|measured| object(report, measured)).collect();
        json!({
            "machine": report.machine,
            "transactions": self.transactions,
            "interactions": self.interactions,
            "seed": self.seed,
            "measured": measured,
            "live": report.live,
        })
    }
}

/// The figures of the long-running job, or how to get them.
fn live_text(live: Option<&Live>) -> String {
    let Some(Live { prefilled, paced }) = live else {
        return "from Kafka to PostgreSQL: left out; --brokers and --postgres name where to measure \
            it (scripts/services up starts both)".to_string();
    };
    format!(
        "from Kafka to PostgreSQL, one worker, broker and database beside it\n\
         full topics       {:>10} events in {:.2} s from the first poll to the last commit: {} \
         events/s, {} epochs\n\
         event to commit   {:>10} events at {} a second, epoch.interval = \"{INTERVAL}\": p50 \
         {:.0} ms, p99 {:.0} ms, max {:.0} ms, {} epochs",
        grouped(prefilled.events),
        prefilled.seconds,
        grouped(prefilled.events_per_second.round() as u64),
        prefilled.epochs,
        grouped(paced.events),
        grouped(paced.rate.into()),
        paced.p50_ms,
        paced.p99_ms,
        paced.max_ms,
        paced.epochs,
    )
}

fn row(report: &Report, measured: &Measured) -> String {
    let (cpu, wall) = (measured.cpu_microseconds(), measured.wall_seconds());
    format!(
        "{:>9} {:>7} {:>4} {:>10}   {:>7.3} {:>7.3}   {:>7.2} {:>7.2} {:>10} {:>8.0} {:>8.2}",
        grouped(measured.customers.into()),
        measured.workers,
        measured.runs.len(),
        grouped(measured.records()),
        cpu.least,
        cpu.median,
        wall.least,
        wall.median,
        grouped(measured.events_per_second().round() as u64),
        measured.peak_memory_bytes() as f64 * 1e-6,
        report.speedup(measured),
    )
}

fn object(report: &Report, measured: &Measured) -> Value {
    json!({
        "customers": measured.customers,
        "workers": measured.workers,
        "events": measured.records(),
        "cpu_microseconds_per_event": measured.cpu_microseconds(),
        "wall_seconds": measured.wall_seconds(),
        "events_per_second": measured.events_per_second(),
        "peak_memory_bytes": measured.peak_memory_bytes(),
        "speedup": report.speedup(measured),
        "runs": measured.runs,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use world::bench::Run;
    use world::bench::live::{Paced, Prefilled};
    use world::bench::machine::Machine;

    fn args() -> BenchArgs {
        BenchArgs {
            customers: 10_000,
            transactions: 1_000_000,
            interactions: 500_000,
            seed: 7,
            workers: vec![1, 2],
            wide: false,
            brokers: None,
            postgres: None,
            rate: 50_000,
            directory: None,
        }
    }

    fn report() -> Report {
        let run = |wall_seconds, cpu_seconds| Run {
            records: 1_510_000,
            wall_seconds,
            cpu_seconds,
            peak_memory_bytes: 123_456_789,
            digest: String::new(),
        };
        let measured = |workers, wall: f64| Measured {
            customers: 10_000,
            workers,
            runs: vec![run(wall + 0.25, 1.51), run(wall, 3.02), run(wall + 0.5, 4.53)],
        };
        let machine =
            Machine { processor: None, cores: 2, memory_bytes: None, system: None, load: None };
        Report { machine, live: None, measured: vec![measured(1, 2.75), measured(2, 1.25)] }
    }

    #[test]
    fn the_table_reads_well() {
        let (args, report) = (args(), report());
        let text = args.to_text(&report);
        let lines: Vec<&str> = text.lines().skip(1).collect();
        assert_eq!(
            lines,
            [
                "1,000,000 purchases and 500,000 interactions, seed 7; the least and the median of \
                 the runs",
                "",
                "customers workers runs     events    CPU us/event         wall s        events/s  \
                 peak MB speed-up",
                "   10,000       1    3  1,510,000     1.000   2.000      2.75    3.00    \
                 503,333      123     1.00",
                "   10,000       2    3  1,510,000     1.000   2.000      1.25    1.50  \
                 1,006,667      123     2.00",
                "",
                "from Kafka to PostgreSQL: left out; --brokers and --postgres name where to \
                 measure it (scripts/services up starts both)",
            ]
        );
        let prefilled =
            Prefilled { events: 1_510_000, seconds: 5.0, events_per_second: 302_000.0, epochs: 16 };
        let paced = Paced {
            rate: 50_000,
            events: 1_500_000,
            p50_ms: 70.2,
            p99_ms: 124.6,
            max_ms: 201.0,
            epochs: 300,
        };
        let text = args.to_text(&Report { live: Some(Live { prefilled, paced }), ..report });
        let lines: Vec<&str> = text.lines().skip(7).collect();
        assert_eq!(
            lines,
            [
                "from Kafka to PostgreSQL, one worker, broker and database beside it",
                "full topics        1,510,000 events in 5.00 s from the first poll to the last \
                 commit: 302,000 events/s, 16 epochs",
                "event to commit    1,500,000 events at 50,000 a second, epoch.interval = \
                 \"100ms\": p50 70 ms, p99 125 ms, max 201 ms, 300 epochs",
            ]
        );
    }
}
