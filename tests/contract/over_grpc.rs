//! What frontends and nodes do together, once more with every node called over gRPC: everything else calls them directly.

use crate::origin;

macro_rules! over_grpc {
    ($($module:ident: $($test:ident),*;)*) => {$(
        mod $module {
            $(
                #[test]
                fn $test() {
                    super::origin::over_grpc();
                    crate::$module::$test();
                }
            )*
        }
    )*};
}

over_grpc! {
    arriving_ranges:
        bounded_ranges_are_answered_as_their_bytes_arrive,
        a_range_beyond_what_has_arrived_waits_for_its_first_byte,
        a_range_that_the_object_does_not_fill_is_cut_or_refused,
        an_upload_that_fails_or_is_deleted_cuts_its_ranges,
        other_ranges_get_the_whole,
        old_readers_wait_and_get_their_range;
    overlapping:
        the_later_of_two_puts_stays_whichever_body_ends_first,
        between_frontends_the_arrival_at_the_head_decides,
        conditional_puts_and_deletes_are_decided_as_they_end;
    read_while_write:
        media_is_streamed_as_it_arrives_in_both_zones,
        a_failed_upload_cuts_its_readers,
        playlists_are_visible_only_when_whole,
        an_earlier_version_is_read_until_the_new_one_is_whole,
        old_readers_wait_for_the_whole,
        delete_cuts_readers_while_the_upload_wins,
        a_namespace_may_turn_it_off,
        of_two_uploads_the_one_begun_last_is_followed;
    history:
        conditional_writes_and_reads_through_both_zones_are_linearizable;
    get:
        a_whole_object_with_all_its_headers,
        head_ignores_ranges,
        ranges,
        conditional_reads;
    encodings:
        content_types_that_say_nothing_are_those_of_the_extension,
        a_compressed_playlist_is_decoded_for_who_does_not_accept_it,
        a_large_playlist_is_compressed_for_who_asks;
    listing:
        listing_pages_prefixes_and_folding,
        what_stays_is_listed_once_while_names_come_and_go,
        folded_pages_go_on_to_the_end;
    put:
        created_replaced_and_post_is_put,
        types_encodings_and_metadata_are_stored,
        framing_chunked_length_and_none,
        expect_continue_gets_100_or_the_refusal,
        sizes_at_the_limit_and_one_past,
        digests_are_checked,
        preconditions_and_content_range,
        a_cut_body_closes_the_connection_and_leaves_nothing;
    delete_cors:
        delete_is_idempotent_and_ignores_a_body;
}
