"""Labels that are likely wrong, found by models that have not seen the signer."""
