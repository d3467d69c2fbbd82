//! Reading the Prometheus text format, as far as a status line needs it.

/// One sample: a metric's name, its labels and value.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    name: String,
    labels: Vec<(String, String)>,
    value: f64,
}

/// All samples of one scrape.
#[derive(Debug, Default)]
pub struct Scrape(Vec<Sample>);

impl Scrape {
    /// Reads a scrape; lines that are no samples are passed over.
    pub fn parse(text: &str) -> Self {
        Self(text.lines().filter(|line| !line.starts_with('#')).filter_map(parse_sample).collect())
    }

    /// The sum of a metric's samples that carry all these labels. `None` if there is none, which is not the same as 0.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let matching = self.0.iter().filter(|sample| {
            sample.name == name
                && labels
                    .iter()
                    .all(|&(key, value)| sample.labels.iter().any(|(have, is)| have == key && is == value))
        });
        matching.map(|sample| sample.value).reduce(|sum, value| sum + value)
    }
}

/// `name{label="value",...} value [timestamp or exemplar]`.
fn parse_sample(line: &str) -> Option<Sample> {
    let name_end = line.find(['{', ' '])?;
    let (name, rest) = line.split_at(name_end);
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => parse_labels(rest)?,
        None => (Vec::new(), rest),
    };
    let value = rest.split_whitespace().next()?.parse().ok()?;
    Some(Sample { name: name.to_owned(), labels, value })
}

/// Labels up to and without the closing brace, and what follows it. Values may contain escaped quotes.
fn parse_labels(mut rest: &str) -> Option<(Vec<(String, String)>, &str)> {
    let mut labels = Vec::new();
    loop {
        rest = rest.trim_start_matches(',');
        if let Some(after) = rest.strip_prefix('}') {
            return Some((labels, after));
        }
        let (key, after) = rest.split_once("=\"")?;
        let mut escaped = false;
        let end = after.find(|character| {
            let closes = character == '"' && !escaped;
            escaped = character == '\\' && !escaped;
            closes
        })?;
        labels.push((key.to_owned(), after[..end].to_owned()));
        rest = &after[end + 1..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_by_labels() {
        let text = "# HELP x y\n# TYPE requests counter\n\
                    requests_total{verb=\"get\",status=\"200\"} 5 # {trace_id=\"a\"} 1\n\
                    requests_total{verb=\"get\",status=\"404\",odd=\"a\\\"} b\"} 2\n\
                    requests_total{verb=\"put\",status=\"201\"} 1e1\nup 1\nnonsense\n# EOF\n";
        let scrape = Scrape::parse(text);
        assert_eq!(scrape.sum("requests_total", &[]), Some(17.0));
        assert_eq!(scrape.sum("requests_total", &[("verb", "get")]), Some(7.0));
        assert_eq!(scrape.sum("requests_total", &[("verb", "get"), ("status", "404")]), Some(2.0));
        assert_eq!(scrape.sum("requests_total", &[("verb", "delete")]), None);
        assert_eq!(scrape.sum("up", &[]), Some(1.0));
    }
}
