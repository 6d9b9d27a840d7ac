//! Metrics as text: Prometheus' format 0.0.4 and OpenMetrics 1.0. Pure.

use std::fmt::Write;
use std::sync::Arc;

/// Which of the two texts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Format {
    Prometheus,
    OpenMetrics,
}

impl Format {
    pub fn content_type(self) -> &'static str {
        match self {
            Format::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Type {
    Counter,
    Gauge,
    Histogram,
    /// A counter whose name does not end as the names of counters do.
    Unknown,
}

/// All series of one name.
#[derive(Clone, Debug, PartialEq)]
pub struct Family {
    /// Without `_total` and `_bucket`.
    pub name: String,
    pub help: String,
    pub form: Type,
    pub samples: Vec<Sample>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    pub labels: Labels,
    pub value: Value,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Integer(u64),
    Float(f64),
    /// Upper bounds with the number that is at most so large, bucket by bucket and not added up; the last bound is infinite.
    Histogram {
        buckets: Vec<(f64, u64)>,
        sum: f64,
    },
}

/// The text between the braces.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Labels(Arc<str>);

impl Labels {
    pub fn new(pairs: &[(&str, &str)]) -> Labels {
        let mut text = String::new();
        for (name, value) in pairs {
            if !text.is_empty() {
                text.push(',');
            }
            let _ = write!(text, "{name}=\"{}\"", escaped(value));
        }
        Labels(text.into())
    }

    /// With more of them.
    pub fn and(&self, pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().fold(self.clone(), |labels, (name, value)| labels.with(name, value))
    }

    /// With one more.
    pub fn with(&self, name: &str, value: &str) -> Labels {
        let separator = if self.0.is_empty() { "" } else { "," };
        Labels(format!("{}{separator}{name}=\"{}\"", self.0, escaped(value)).into())
    }

    fn braced(&self) -> String {
        if self.0.is_empty() { String::new() } else { format!("{{{}}}", self.0) }
    }
}

/// A value that a peer has chosen has no line ends and no quotes in it. Control characters are taken out: they may be meant for the
/// terminal of the reader.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\\' => escaped.push_str("\\\\"),
            '"' => escaped.push_str("\\\""),
            '\n' => escaped.push_str("\\n"),
            _ if character.is_control() => escaped.push('\u{fffd}'),
            _ => escaped.push(character),
        }
    }
    escaped
}

/// The whole text. Families without a series are left out.
pub fn text(families: &[Family], format: Format) -> String {
    let mut text = String::new();
    for family in families.iter().filter(|family| !family.samples.is_empty()) {
        head(&mut text, family, format);
        for sample in &family.samples {
            series(&mut text, family, sample);
        }
    }
    if format == Format::OpenMetrics {
        text.push_str("# EOF\n");
    }
    text
}

fn head(text: &mut String, family: &Family, format: Format) {
    let word = match (family.form, format) {
        (Type::Counter, _) => "counter",
        (Type::Gauge, _) => "gauge",
        (Type::Histogram, _) => "histogram",
        (Type::Unknown, Format::Prometheus) => "untyped",
        (Type::Unknown, Format::OpenMetrics) => "unknown",
    };
    // OpenMetrics names the family, Prometheus the series.
    let name = match format {
        Format::OpenMetrics => family.name.clone(),
        Format::Prometheus => format!("{}{}", family.name, family.form.suffix()),
    };
    let help = family.help.replace('\\', "\\\\").replace('\n', "\\n");
    let help = if format == Format::OpenMetrics { help.replace('"', "\\\"") } else { help };
    let _ = writeln!(text, "# HELP {name} {help}");
    let _ = writeln!(text, "# TYPE {name} {word}");
    // A unit is allowed only where the name ends in it.
    if format == Format::OpenMetrics
        && let Some(unit) = ["seconds", "bytes"].iter().find(|unit| name.ends_with(&format!("_{unit}")))
    {
        let _ = writeln!(text, "# UNIT {name} {unit}");
    }
}

fn series(text: &mut String, family: &Family, sample: &Sample) {
    let (name, labels) = (&family.name, &sample.labels);
    let suffix = family.form.suffix();
    match &sample.value {
        Value::Integer(number) => {
            let _ = writeln!(text, "{name}{suffix}{} {number}", labels.braced());
        }
        Value::Float(number) => {
            let _ = writeln!(text, "{name}{suffix}{} {}", labels.braced(), float(*number));
        }
        Value::Histogram { buckets, sum } => {
            let mut count = 0_u64;
            for (bound, number) in buckets {
                count = count.saturating_add(*number);
                let labels = labels.with("le", &float(*bound)).braced();
                let _ = writeln!(text, "{name}_bucket{labels} {count}");
            }
            let _ = writeln!(text, "{name}_sum{} {}", labels.braced(), float(*sum));
            let _ = writeln!(text, "{name}_count{} {count}", labels.braced());
        }
    }
}

impl Type {
    fn suffix(self) -> &'static str {
        match self {
            Type::Counter => "_total",
            Type::Gauge | Type::Histogram | Type::Unknown => "",
        }
    }
}

/// Whole numbers have a point: the two formats then name a bucket alike.
fn float(number: f64) -> String {
    match number {
        _ if number == f64::INFINITY => "+Inf".to_owned(),
        _ if !number.is_finite() => "NaN".to_owned(),
        _ => format!("{number:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn families() -> Vec<Family> {
        let family = |name: &str, form, value| Family {
            name: name.to_owned(),
            help: "What \"it\" is".to_owned(),
            form,
            samples: vec![Sample {
                labels: Labels::new(&[("pid", "1"), ("endpoint", "ipc://a\\b\"c\nd\u{1b}")]),
                value,
            }],
        };
        let histogram =
            Value::Histogram { buckets: vec![(0.001, 2), (1.0, 3), (f64::INFINITY, 1)], sum: 2.5 };
        vec![
            family("zmq_messages_sent", Type::Counter, Value::Integer(u64::MAX)),
            family("zmq_process_heartbeat_seconds", Type::Gauge, Value::Float(1.5)),
            family("zmq_handshake_seconds", Type::Histogram, histogram),
            family("qzmq_auth_failures", Type::Unknown, Value::Integer(1)),
            Family {
                name: "zmq_nothing".to_owned(),
                help: String::new(),
                form: Type::Gauge,
                samples: Vec::new(),
            },
        ]
    }

    #[test]
    fn prometheus_text_names_series() {
        let text = text(&families(), Format::Prometheus);
        let labels = "pid=\"1\",endpoint=\"ipc://a\\\\b\\\"c\\nd\u{fffd}\"";
        assert!(text.starts_with(
            "# HELP zmq_messages_sent_total What \"it\" is\n# TYPE zmq_messages_sent_total counter\n"
        ));
        assert!(
            text.contains(&format!("zmq_messages_sent_total{{{labels}}} 18446744073709551615\n")),
            "{text}"
        );
        assert!(
            text.contains("# TYPE qzmq_auth_failures untyped\n")
                && !text.contains("EOF")
                && !text.contains("nothing")
        );
    }

    #[test]
    fn openmetrics_text_names_families() {
        let text = text(&families(), Format::OpenMetrics);
        assert!(
            text.contains("# TYPE zmq_messages_sent counter\n") && text.contains("zmq_messages_sent_total{")
        );
        assert!(text.contains("# TYPE qzmq_auth_failures unknown\n") && text.ends_with("\n# EOF\n"));
        assert!(
            text.contains("# UNIT zmq_handshake_seconds seconds\n") && text.contains("What \\\"it\\\" is")
        );
    }

    #[test]
    fn buckets_are_added_up() {
        let text = text(&families(), Format::Prometheus);
        for line in [
            "le=\"0.001\"} 2\n",
            "le=\"1.0\"} 5\n",
            "le=\"+Inf\"} 6\n",
            "_sum{",
            "} 2.5\n",
            "_count{",
            "} 6\n",
        ] {
            assert!(text.contains(line), "{line}: {text}");
        }
    }
}
