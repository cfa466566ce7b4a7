"""What is paid for what was achieved: rules as data, their arithmetic, and what is wrong with them."""
