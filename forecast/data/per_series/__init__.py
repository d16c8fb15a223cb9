"""Tables series by series: their keys and ids, their ends and future rows, some of them."""
