//! One suite of claims that every store must pass.
