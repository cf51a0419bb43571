"""What would go wrong in a project's runs, found in its manifest. Pure; raises nothing."""
