target_link_options(test_file PRIVATE -Wl,--wrap=sc_file_write_all)
