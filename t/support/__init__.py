"""What the tests of whole programs share: ports, processes, SMTP, back-ends. The standard library only."""
