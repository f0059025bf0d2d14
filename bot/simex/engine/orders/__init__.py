"""An order at the exchange: filters, admission, matching."""
