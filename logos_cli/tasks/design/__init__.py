"""What designs of antibodies and proteins share: CDRs, mutations, variants, oracles."""
