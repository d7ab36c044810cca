"""Ten prompts of different kinds, for comparing engines. Special tokens written out count as such."""
PROMPTS = {
    "prose": "The lighthouse keeper had not spoken to anyone for eleven days when the small boat came around",
    "fact": "The capital of France is Paris. The capital of Japan is Tokyo. The capital of Canada is",
    "chat": "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
            "<|im_start|>user\nGive me three reasons to learn to swim.<|im_end|>\n<|im_start|>assistant\n",
    "turns": "<|im_start|>user\nMy name is Ada and I live in Oslo.<|im_end|>\n<|im_start|>assistant\nNice to meet you, "
             "Ada!<|im_end|>\n<|im_start|>user\nWhere do I live?<|im_end|>\n<|im_start|>assistant\n",
    "python": "def binary_search(items, target):\n    \"\"\"Return the index of target in sorted items, or -1.\"\"\"\n"
              "    low, high = 0, len(items) - 1\n",
    "json": '{"orders": [{"id": 1, "item": "lamp", "price": 24.5}, {"id": 2, "item": "desk", "price": 310.0}, {"id": 3,',
    "list": "Steps to make a cup of tea:\n1. Fill the kettle with fresh water.\n2. Bring the water to a boil.\n3.",
    "numbers": "1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144,",
    "unicode": "Der Bäcker an der Straße verkauft frische Brötchen. Le café est déjà fermé. 東京は日本の首都です。 Größe:",
    "one token": "Once",
}
