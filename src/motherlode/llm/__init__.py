"""Language models behind an address: any server that speaks OpenAI's chat completions."""
