"""Reading and writing files that may be damaged, hostile or cut off, and never half writing one."""
