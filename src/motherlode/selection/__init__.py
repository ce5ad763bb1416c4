"""`select`: which samples of a general pool help a domain; kernels, engines, selectors, baselines (extra `select`)."""
