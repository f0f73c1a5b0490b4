"""What the operator's verbs do: each opens the installation, calls the stages, and says what came of it."""
