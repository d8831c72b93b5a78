//! The nearest valid name to a misspelt one.

/// The candidate nearest to `word`, if one is near enough to be what was meant.
///
/// Near is at most one edit per three letters; letter case does not count.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Edit distance is quadratic: nobody misspells a name of this length.
    const LONGEST: usize = 200;
    if word.len() > LONGEST {
        return None;
    }
    let lower = word.to_lowercase();
    let letters = lower.chars().count();
    candidates
        .into_iter()
        .map(|candidate| {
            let distance = strsim::damerau_levenshtein(&lower, &candidate.to_lowercase());
            (distance, candidate)
        })
        .filter(|(distance, candidate)| {
            *distance <= (letters.max(candidate.chars().count()) / 3).max(1)
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `Did you mean "adapter"?`, or else what there is to choose from.
pub fn did_you_mean(word: &str, candidates: &[&str], otherwise: &str) -> Option<String> {
    if let Some(candidate) = nearest(word, candidates.iter().copied()) {
        return Some(format!("Did you mean \"{candidate}\"?"));
    }
    if candidates.is_empty() {
        return None;
    }
    Some(format!("{otherwise}: {}", listed(candidates)))
}

/// Names separated by commas, the tail of a long list counted.
pub fn listed(names: &[&str]) -> String {
    const SHOWN: usize = 40;
    let shown: Vec<&str> = names.iter().take(SHOWN).copied().collect();
    let mut text = shown.join(", ");
    if names.len() > SHOWN {
        text.push_str(&format!(", and {} more", names.len() - SHOWN));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_name_finds_its_neighbour() {
        assert_eq!(nearest("adaptr", ["backbone", "adapter"]), Some("adapter"));
        assert_eq!(nearest("adamw", ["AdamW"]), Some("AdamW"));
        assert_eq!(
            nearest("nclasses", ["n_classes", "num_outputs"]),
            Some("n_classes")
        );
    }

    #[test]
    fn an_unrelated_name_finds_none() {
        assert_eq!(nearest("zebra", ["backbone", "adapter"]), None);
        assert_eq!(nearest(&"x".repeat(5000), ["adapter"]), None);
    }
}
