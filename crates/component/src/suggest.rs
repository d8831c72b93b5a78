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

/// What other programs call an argument, and what it is called here.
const OTHER_NAMES: &[(&str, &str)] = &[
    ("learning_rate", "lr"),
    ("epsilon", "eps"),
    ("decay", "weight_decay"),
    ("beta_1", "betas"),
    ("scheduler", "lr_scheduler"),
    ("schedule", "lr_scheduler"),
    ("optim", "optimizer"),
    ("head", "adapter"),
    ("encoder", "backbone"),
    ("freeze", "frozen"),
    ("rank", "lora_r"),
    ("r", "lora_r"),
    ("alpha", "lora_alpha"),
    ("target_modules", "lora_target_modules"),
    ("num_labels", "n_classes"),
    ("class_weights", "weighted_loss"),
    ("max_len", "max_length"),
    ("max_seq_length", "max_length"),
    ("model_max_length", "max_length"),
    ("epochs", "max_epochs"),
    ("num_epochs", "max_epochs"),
    ("num_train_epochs", "max_epochs"),
    ("steps", "max_steps"),
    ("gradient_accumulation_steps", "accumulate_grad_batches"),
    ("max_grad_norm", "gradient_clip_val"),
    ("clip_norm", "gradient_clip_val"),
    ("output_dir", "default_root_dir"),
    ("per_device_train_batch_size", "batch_size"),
    ("seed", "seed_everything"),
    ("seed", "random_seed"),
    ("text_column", "x_col"),
    ("label_column", "y_col"),
    ("mlm_probability", "masking_rate"),
    ("file", "path"),
    ("separator", "sep"),
    ("data_path", "path"),
];

/// What an argument of other programs is called here, which differs between components where there are several.
pub fn other_names(word: &str) -> impl Iterator<Item = &'static str> {
    let names = OTHER_NAMES.iter().filter(move |(other, _)| *other == word);
    names.map(|(_, name)| *name)
}

/// Letters of another program's name from which on it is recognised when misspelt.
const LONG: usize = 7;

/// `Did you mean "adapter"?`, or else what there is to choose from.
pub fn did_you_mean(word: &str, candidates: &[&str], otherwise: &str) -> Option<String> {
    let other_name = || {
        let names = OTHER_NAMES.iter();
        let names = names.filter(|(_, name)| candidates.contains(name));
        // Short names are near to everything.
        let long = names.clone().map(|(other, _)| *other);
        let long = long.filter(|other| other.len() >= LONG);
        let mut found = names.clone().filter(|(other, _)| *other == word);
        let found = found.next().or_else(|| {
            let near = nearest(word, long)?;
            names.clone().find(|(other, _)| *other == near)
        });
        found.map(|(_, name)| *name)
    };
    if let Some(candidate) = nearest(word, candidates.iter().copied()).or_else(other_name) {
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
    fn what_other_programs_call_an_argument_finds_ours_where_there_is_one() {
        let help = |word, candidates: &[&str]| did_you_mean(word, candidates, "There are").unwrap();
        assert_eq!(
            help("learning_rate", &["lr", "eps"]),
            "Did you mean \"lr\"?"
        );
        assert_eq!(help("learning_rate", &["eps"]), "There are: eps");
        assert_eq!(help("seperator", &["sep"]), "Did you mean \"sep\"?");
        assert_eq!(help("s", &["lora_r"]), "There are: lora_r");
        assert_eq!(
            help("seed", &["path", "random_seed"]),
            "Did you mean \"random_seed\"?"
        );
    }

    #[test]
    fn an_unrelated_name_finds_none() {
        assert_eq!(nearest("zebra", ["backbone", "adapter"]), None);
        assert_eq!(nearest(&"x".repeat(5000), ["adapter"]), None);
    }
}
